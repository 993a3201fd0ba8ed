import { createClient } from '@openledger/sdk'
import { beforeAll, inject } from 'vitest'
import { untilSeeded } from './House.ts'

beforeAll(() => untilSeeded(createClient({ url: inject('houseUrl') }), inject('houseDirectory')))
