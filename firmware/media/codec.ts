/** Codec strings for `codecs=` parameters (RFC 6381; ISO/IEC 14496-15 Annex E for HEVC) from a sample entry's own boxes. */
import { optionalBox, printable, readBoxes } from './boxes.ts'
import { FieldReader, malformed } from './fields.ts'

/** A sample entry (a child of `stsd`): its four characters and the boxes behind its fixed fields. */
export interface SampleEntry {
  readonly type: string
  readonly children: Uint8Array
}

/**
 * `avc1.640028`, `hvc1.1.6.L93.B0`, `mp4a.40.2`; any other codec by its four characters.
 * Throws MEDIA_MALFORMED when the codec's configuration box is missing or too short.
 */
export function codecString(entry: SampleEntry): string {
  switch (entry.type) {
    case 'avc1':
    case 'avc3':
      return `${entry.type}.${avcParameters(configuration(entry, 'avcC'))}`
    case 'hvc1':
    case 'hev1':
      return `${entry.type}.${hevcParameters(configuration(entry, 'hvcC'))}`
    case 'mp4a':
      return `mp4a.${mpeg4Parameters(configuration(entry, 'esds'))}`
    default:
      return printable(entry.type).trim()
  }
}

function configuration(entry: SampleEntry, type: string): FieldReader {
  const found = optionalBox(readBoxes(entry.children), type)
  if (found === undefined) throw malformed(`sample entry ${entry.type} has no ${type}`)
  return new FieldReader(found.body, type)
}

const hex = (value: number): string => value.toString(16).toUpperCase()

/** avcC: version, then profile, compatibility and level, which stand in the string as they are. */
function avcParameters(avcC: FieldReader): string {
  avcC.skip(1)
  return Array.from(avcC.bytes(3), (value) => hex(value).padStart(2, '0')).join('')
}

function hevcParameters(hvcC: FieldReader): string {
  hvcC.skip(1)
  const first = hvcC.u8()
  const space = ['', 'A', 'B', 'C'][first >> 6] ?? ''
  const tier = (first & 0x20) === 0 ? 'L' : 'H'
  const profile = first & 0x1f
  const compatibility = reverseBits(hvcC.u32())
  const constraints = Array.from(hvcC.bytes(6))
  const level = hvcC.u8()
  while (constraints.at(-1) === 0) constraints.pop()
  return [`${space}${profile}`, hex(compatibility), `${tier}${level}`, ...constraints.map(hex)].join('.')
}

/** The string carries the 32 compatibility flags with flag 0 as the lowest bit; hvcC has it as the highest. */
function reverseBits(value: number): number {
  let result = 0
  for (let bit = 0; bit < 32; bit += 1) {
    if ((value >>> bit) & 1) result += 2 ** (31 - bit)
  }
  return result
}

const ES_DESCRIPTOR = 3
const DECODER_CONFIG_DESCRIPTOR = 4
const DECODER_SPECIFIC_INFO = 5
const OBJECT_MPEG4_AUDIO = 0x40

/** esds (ISO/IEC 14496-1 §7.2.6): object type, for MPEG-4 audio also the audio object type of its configuration. */
function mpeg4Parameters(esds: FieldReader): string {
  const stream = descriptor(esds.skip(4), ES_DESCRIPTOR)
  const flags = stream.skip(2).u8()
  if (flags & 0x80) stream.skip(2)
  if (flags & 0x40) stream.skip(stream.u8())
  if (flags & 0x20) stream.skip(2)
  const decoder = descriptor(stream, DECODER_CONFIG_DESCRIPTOR)
  const object = decoder.u8()
  decoder.skip(12)
  if (object !== OBJECT_MPEG4_AUDIO || decoder.remaining === 0) return hex(object).padStart(2, '0')
  const config = descriptor(decoder, DECODER_SPECIFIC_INFO)
  const first = config.u8()
  const short = first >> 3
  const audio = short === 31 ? 32 + (((first & 7) << 3) | (config.u8() >> 5)) : short
  return `${hex(object)}.${audio}`
}

/** The body of the descriptor that comes next, which must have that tag. Its size takes 7 bits of each of 1 to 4 bytes. */
function descriptor(fields: FieldReader, tag: number): FieldReader {
  const found = fields.u8()
  if (found !== tag) throw malformed(`esds: descriptor ${found}, expected ${tag}`)
  let size = 0
  for (let count = 1; ; count += 1) {
    const part = fields.u8()
    size = size * 128 + (part & 0x7f)
    if ((part & 0x80) === 0) break
    if (count === 4) throw malformed('esds: the size of a descriptor takes more than 4 bytes')
  }
  return new FieldReader(fields.bytes(size), 'esds')
}
