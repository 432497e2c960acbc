/**
 * The key that updates are signed with: key.pem and cert.pem in HOMEWARD_UPDATE_KEY, by default ~/.config/homeward/update. Made when the
 * first image is built; the certificate goes into every image, and only its key can update those.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTool } from '../image/tool.ts'

export interface UpdateKey {
  readonly key: string
  readonly certificate: string
}

function updateKeyFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const config = environment.XDG_CONFIG_HOME ?? join(homedir(), '.config')
  return environment.HOMEWARD_UPDATE_KEY ?? join(config, 'homeward', 'update')
}

/** Made when it is not there. */
export function updateKey(folder = updateKeyFolder()): UpdateKey {
  const found = { key: join(folder, 'key.pem'), certificate: join(folder, 'cert.pem') }
  if (!existsSync(found.key) || !existsSync(found.certificate)) make(folder, found)
  return found
}

function make(folder: string, { key, certificate }: UpdateKey): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const work = mkdtempSync(join(tmpdir(), 'homeward-'))
  try {
    writeFileSync(key, runTool('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']), {
      mode: 0o600,
    })
    writeFileSync(join(work, 'index'), '')
    writeFileSync(join(work, 'settings'), SETTINGS)
    const config = ['-config', join(work, 'settings')]
    const request = [
      'req',
      '-new',
      ...config,
      '-key',
      key,
      '-subj',
      '/CN=Homeward updates',
      '-out',
      join(work, 'request'),
    ]
    runTool('openssl', request)
    // Valid since before any device was built: a device may not know the time yet.
    const dates = ['-startdate', '20200101000000Z', '-enddate', '21200101000000Z']
    const sign = ['ca', '-batch', '-selfsign', ...config, '-keyfile', key, '-in', join(work, 'request'), ...dates]
    runTool('openssl', [...sign, '-notext', '-out', certificate], { cwd: work })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const SETTINGS = `
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = updates
[any]
commonName = supplied
[updates]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = emailProtection, codeSigning
subjectKeyIdentifier = hash
`
