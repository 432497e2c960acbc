import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteQueue } from './byte-queue.ts'

const step = fc.oneof(
  fc.record({ do: fc.constant('push' as const), bytes: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ do: fc.constant('unshift' as const), bytes: fc.uint8Array({ maxLength: 5 }) }),
  fc.record({ do: fc.constantFrom('peek' as const, 'skip' as const, 'move' as const), count: fc.nat(30) }),
  fc.record({ do: fc.constant('detach' as const) }),
)

test('it behaves like one long array', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new ByteQueue()
      let model: number[] = []
      for (const next of steps) {
        if (next.do === 'push') {
          queue.push(next.bytes)
          model = [...model, ...next.bytes]
        } else if (next.do === 'unshift') {
          queue.unshift(next.bytes)
          model = [...next.bytes, ...model]
        } else if (next.do === 'detach') queue.detach()
        else if (next.do === 'peek') {
          const found = queue.peek(next.count)
          const expected = next.count > model.length ? undefined : model.slice(0, next.count)
          if (model.length > 0) assert.equal(found === undefined ? undefined : [...found], expected)
        } else {
          const expected = model.slice(0, next.count)
          model = model.slice(next.count)
          if (next.do === 'skip') assert.is(queue.skip(next.count), expected.length)
          else {
            const target = new Uint8Array(next.count + 2)
            assert.is(queue.moveInto(target, 2), expected.length)
            assert.equal([...target.subarray(2, 2 + expected.length)], expected)
          }
        }
        assert.is(queue.length, model.length)
        assert.is(queue.head() === undefined, model.length === 0)
        const first = queue.peek(1)
        assert.is(first?.[0], model[0])
      }
    }),
  )
})

test('after detach a chunk may be used again', () => {
  const queue = new ByteQueue()
  const chunk = Uint8Array.of(1, 2, 3)
  queue.push(chunk)
  queue.skip(1)
  queue.detach()
  chunk.fill(9)
  assert.equal([...(queue.peek(2) ?? [])], [2, 3])
})

test.run()
