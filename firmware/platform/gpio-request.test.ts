import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isHomewardError } from '../wire/errors.ts'
import { chipLabel, lineRequest, lineValue, lineValues, requestedFd } from './gpio-request.ts'

const run = promisify(execFile)

/** The same structures as the kernel's own header lays them out. */
const PROGRAM = `
#include <linux/gpio.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>
static void show(const void *at, int length) {
  for (int i = 0; i < length; i++) printf("%02x", ((const unsigned char *)at)[i]);
  printf("\\n");
}
int main(void) {
  struct gpio_v2_line_request request;
  memset(&request, 0, sizeof request);
  request.offsets[0] = 17;
  strcpy(request.consumer, "homeward");
  request.num_lines = 1;
  request.config.flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_ACTIVE_LOW | GPIO_V2_LINE_FLAG_BIAS_PULL_UP;
  show(&request, sizeof request);
  request.config.flags = GPIO_V2_LINE_FLAG_OUTPUT;
  show(&request, sizeof request);
  request.fd = 42;
  show(&request, sizeof request);
  struct gpio_v2_line_values values = { .bits = 1, .mask = 1 };
  show(&values, sizeof values);
  struct gpiochip_info info;
  memset(&info, 0, sizeof info);
  strcpy(info.name, "gpiochip0");
  strcpy(info.label, "pinctrl-bcm2835");
  show(&info, sizeof info);
  printf("%lx %lx %lx %lx %lx\\n", (unsigned long)GPIO_GET_CHIPINFO_IOCTL, (unsigned long)GPIO_V2_GET_LINE_IOCTL,
    (unsigned long)GPIO_V2_LINE_GET_VALUES_IOCTL, (unsigned long)GPIO_V2_LINE_SET_VALUES_IOCTL,
    (unsigned long)WDIOC_SETTIMEOUT);
  return 0;
}
`

test("the bytes are those of the kernel's header", async () => {
  const dir = await mkdtemp(join(tmpdir(), 'homeward-'))
  try {
    await writeFile(join(dir, 'gpio.c'), PROGRAM)
    await run('cc', ['-o', join(dir, 'gpio'), join(dir, 'gpio.c')])
    const [input, output, filled, values, info, numbers] = (await run(join(dir, 'gpio'))).stdout.split('\n')
    const line = { chip: 'x', line: 17, activeLow: true, pull: 'up' } as const
    assert.is(lineRequest(line, 'input').toString('hex'), input)
    assert.is(lineRequest({ chip: 'x', line: 17, activeLow: false }, 'output').toString('hex'), output)
    assert.is(requestedFd(Buffer.from(filled ?? '', 'hex')), 42)
    assert.is(lineValues(true).toString('hex'), values)
    assert.is(chipLabel(Buffer.from(info ?? '', 'hex')), 'pinctrl-bcm2835')
    assert.is(numbers, '8044b401 c250b407 c010b40e c010b40f c0045706')
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('levels', () => {
  assert.equal([lineValue(lineValues(true)), lineValue(lineValues(false))], [true, false])
})

test('a line that cannot be is refused', () => {
  for (const line of [-1, 1.5, 1024]) {
    assert.throws(
      () => lineRequest({ chip: 'x', line, activeLow: false }, 'output'),
      (error: unknown) => isHomewardError(error, 'CONFIG_INVALID'),
    )
  }
})

test.run()
