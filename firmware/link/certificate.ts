/**
 * The certificate of the TLS listener: what its keeper gives, or one that signs itself, made at the first start. No client
 * trusts it: the server proves its identity on each connection (signTls). So it names nobody and never expires.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HomewardError, systemCode } from '../wire/errors.ts'
import { createPrivate, readPrivate } from './private-file.ts'

/** Both as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

const FILE = 'tls.pem'
const PEM = /-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----\n?/g

/** From `files`, or else from the state folder. Throws CONFIG_INVALID, STATE_DAMAGED, DISK_FAILED and the like. */
export async function loadCertificate(stateDir: string, files?: CertificateFiles): Promise<Certificate> {
  if (files !== undefined) {
    const certificate = { cert: await readGiven(files.cert), key: await readGiven(files.key) }
    const problem = problemOf(certificate)
    if (problem === undefined) return certificate
    throw new HomewardError('CONFIG_INVALID', `${files.cert} and ${files.key}: ${problem}`, {
      hint: 'Give a certificate and its private key, both in PEM.',
    })
  }
  const path = join(stateDir, FILE)
  const made = (await readPrivate(path)) === undefined ? makeCertificate() : undefined
  if (made !== undefined && (await createPrivate(path, made.cert + made.key))) return made
  const blocks = ((await readPrivate(path)) ?? '').match(PEM) ?? []
  const known = { cert: blocks[0] ?? '', key: blocks[1] ?? '' }
  const problem = problemOf(known)
  if (problem === undefined) return known
  throw new HomewardError('STATE_DAMAGED', `${path}: ${problem}`, {
    hint: 'Remove the file: another certificate is made at the next start, and nobody needs the old one.',
  })
}

async function readGiven(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new HomewardError('CONFIG_INVALID', `${path} cannot be read (${systemCode(cause)})`, { cause })
  }
}

function problemOf({ cert, key }: Certificate): string | undefined {
  try {
    const privateKey = createPrivateKey(key)
    return new X509Certificate(cert).checkPrivateKey(privateKey) ? undefined : 'the key is not that of the certificate'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** ECDSA P-256 with SHA-256; RFC 5280 §4.1, in DER (X.690). */
export function makeCertificate(): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  // ecdsa-with-SHA256, 1.2.840.10045.4.3.2
  const algorithm = der(SEQUENCE, der(OBJECT_ID, Buffer.from('2a8648ce3d040302', 'hex')))
  // Common name, 2.5.4.3
  const attribute = der(SEQUENCE, der(OBJECT_ID, Buffer.from('550403', 'hex')), der(UTF8, Buffer.from('homeward')))
  const name = der(SEQUENCE, der(SET, attribute))
  // "No well-defined expiration date" (RFC 5280 §4.1.2.5).
  const validity = der(SEQUENCE, der(UTC_TIME, ascii('200101000000Z')), der(GENERAL_TIME, ascii('99991231235959Z')))
  // Positive and of full length: the first byte is neither 0 nor above 127.
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const version1 = der(SEQUENCE, der(INTEGER, serial), algorithm, name, validity, name, spki)
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', version1, privateKey)])
  const bytes = der(SEQUENCE, version1, algorithm, der(BIT_STRING, signature))
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

const [INTEGER, BIT_STRING, OBJECT_ID, UTF8, UTC_TIME, GENERAL_TIME, SEQUENCE, SET] = [2, 3, 6, 12, 23, 24, 48, 49]
const ascii = (text: string) => Buffer.from(text, 'ascii')

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
