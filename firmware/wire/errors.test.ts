import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ERROR_CODES,
  errorLine,
  HomewardError,
  isErrorCode,
  isHomewardError,
  isRetryable,
  isUsageError,
  systemCode,
} from './errors.ts'

test('an error carries its code, hint and cause', () => {
  const cause = new Error('below')
  const error = new HomewardError('DISK_FULL', 'no space', { hint: 'Delete something.', cause })
  assert.is(error.code, 'DISK_FULL')
  assert.is(error.message, 'no space')
  assert.is(error.hint, 'Delete something.')
  assert.is(error.cause, cause)
  assert.is(error.name, 'HomewardError')
  assert.instance(error, Error)
  assert.is(new HomewardError('DISK_FULL', 'no space').hint, undefined)
})

test('an error is told on one line', () => {
  const cases: [string, string | undefined, string][] = [
    ['no space', 'Delete something.', 'no space. Delete something.'],
    ['no space', undefined, 'no space.'],
    ['really?', 'Yes.', 'really? Yes.'],
    ['one\n  two\n', undefined, 'one | two.'],
  ]
  for (const [message, hint, line] of cases) assert.is(errorLine({ message, hint }), line)
  assert.is(errorLine(new HomewardError('DISK_FULL', 'no space', { hint: 'Wait.' })), 'no space. Wait.')
})

test('codes are known by name only', () => {
  for (const code of ERROR_CODES) {
    assert.ok(isErrorCode(code))
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/)
  }
  for (const other of ['', 'disk_full', 'toString', '__proto__', 'constructor', 7, null, undefined, {}]) {
    assert.not(isErrorCode(other), String(other))
  }
  assert.is(new Set(ERROR_CODES).size, ERROR_CODES.length)
})

test('telling errors apart', () => {
  const full = new HomewardError('DISK_FULL', 'no space')
  assert.ok(isHomewardError(full))
  assert.ok(isHomewardError(full, 'DISK_READ_ONLY', 'DISK_FULL'))
  assert.not(isHomewardError(full, 'DISK_READ_ONLY'))
  assert.not(isHomewardError(new Error('DISK_FULL')))
  assert.not(isHomewardError({ code: 'DISK_FULL' }))
  assert.not(isHomewardError(undefined))
})

test('what may be tried again, and what is the caller’s fault', () => {
  const retryable = ERROR_CODES.filter((code) => isRetryable(new HomewardError(code, '')))
  for (const code of ['DISK_FULL', 'DISK_READ_ONLY', 'DISK_MISSING', 'DISK_FAILED', 'CHANNEL_LOST', 'RING_FULL']) {
    assert.ok(retryable.includes(code as never), code)
  }
  for (const code of ['DISK_WRONG', 'RECORD_FORGED', 'MEDIA_MALFORMED', 'UID_INVALID', 'INTERNAL', 'CANCELLED']) {
    assert.not(retryable.includes(code as never), code)
  }
  assert.not(isRetryable(Object.assign(new Error('EIO'), { code: 'EIO' })))
  const usage = ERROR_CODES.filter((code) => isUsageError(new HomewardError(code, '')))
  assert.equal(usage, ['USAGE', 'CONFIG_INVALID', 'UID_INVALID', 'SETUP_CODE_INVALID'])
})

test('the code of a system call', () => {
  assert.is(systemCode(Object.assign(new Error('x'), { code: 'ENOSPC' })), 'ENOSPC')
  assert.is(systemCode({ code: 7 }), undefined)
  assert.is(systemCode(new Error('x')), undefined)
  assert.is(systemCode('ENOSPC'), undefined)
  assert.is(systemCode(null), undefined)
})

test.run()
