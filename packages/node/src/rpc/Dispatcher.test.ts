import { expect, test } from 'vitest'
import { silentLogger } from '../node/Logger.ts'
import { createDispatcher } from './Dispatcher.ts'

const methods = {
  eth_chainId: async () => '0x1',
  eth_call: async () => 'on the thread that builds blocks',
}
const call = (id: number, method: string, params: unknown = []) => ({ jsonrpc: '2.0', id, method, params })

test('what takes long goes to a reading thread from a short batch too, and answers stay in order', async () => {
  const asked: string[] = []
  const { handle } = createDispatcher(methods, silentLogger, {
    reading: async (text) => {
      asked.push(text)
      return JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(text).id, result: 'elsewhere' })
    },
  })
  const batch = [call(1, 'eth_chainId'), call(2, 'eth_call', [{ to: '0x' }]), call(3, 'eth_chainId')]
  const answers = JSON.parse((await handle(JSON.stringify(batch)))!)
  expect(answers.map(({ id, result }: { id: number; result: string }) => [id, result])).toEqual([
    [1, '0x1'],
    [2, 'elsewhere'],
    [3, '0x1'],
  ])
  expect(asked).toEqual([JSON.stringify(batch[1])])
})

test('a member of a batch that cannot be written again fails alone', async () => {
  const { handle } = createDispatcher(methods, silentLogger, { reading: async () => undefined })
  const deep = `{"jsonrpc":"2.0","id":2,"method":"eth_call","params":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const [first, second] = JSON.parse((await handle(`[${JSON.stringify(call(1, 'eth_chainId'))},${deep}]`))!)
  expect(first).toMatchObject({ id: 1, result: '0x1' })
  expect(second).toMatchObject({ id: 2, error: { message: 'internal error' } })
})
