import { z } from 'zod'

// the page's content security policy allows no generated code; schemas look at this setting when they are made, so
// everything that makes one is loaded after it
z.config({ jitless: true })
const { start } = await import('./App.tsx')
start(document.getElementById('root')!)
