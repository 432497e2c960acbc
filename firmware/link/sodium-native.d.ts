/** The part of sodium-native 5.1.0 that is used; the package brings no types. Every function throws on a wrong length. */
declare module 'sodium-native' {
  interface SodiumNative {
    readonly crypto_pwhash_ALG_ARGON2ID13: number
    readonly crypto_pwhash_OPSLIMIT_MIN: number
    readonly crypto_pwhash_OPSLIMIT_MODERATE: number
    readonly crypto_pwhash_MEMLIMIT_MIN: number
    readonly crypto_pwhash_MEMLIMIT_MODERATE: number

    randombytes_buf(into: Uint8Array): void
    sodium_memzero(bytes: Uint8Array): void
    sodium_memcmp(a: Uint8Array, b: Uint8Array): boolean

    crypto_sign_keypair(publicKey: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
    crypto_sign_ed25519_pk_to_curve25519(x25519: Uint8Array, ed25519: Uint8Array): void
    crypto_sign_ed25519_sk_to_curve25519(x25519: Uint8Array, ed25519: Uint8Array): void

    crypto_scalarmult(shared: Uint8Array, secret: Uint8Array, point: Uint8Array): void
    crypto_scalarmult_base(point: Uint8Array, secret: Uint8Array): void

    crypto_box_seal(box: Uint8Array, message: Uint8Array, publicKey: Uint8Array): void
    crypto_box_seal_open(message: Uint8Array, box: Uint8Array, publicKey: Uint8Array, secretKey: Uint8Array): boolean

    crypto_aead_xchacha20poly1305_ietf_encrypt(
      box: Uint8Array,
      message: Uint8Array,
      associated: Uint8Array,
      secretNonce: null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      secretNonce: null,
      box: Uint8Array,
      associated: Uint8Array,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number

    crypto_generichash_batch(digest: Uint8Array, parts: Uint8Array[], key?: Uint8Array): void

    crypto_pwhash_async(
      key: Uint8Array,
      password: Uint8Array,
      salt: Uint8Array,
      operations: number,
      memoryBytes: number,
      algorithm: number,
    ): Promise<void>
  }
  const sodium: SodiumNative
  export default sodium
}
