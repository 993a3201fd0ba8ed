import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  build: { chunkSizeWarningLimit: 1500 },
  server: {
    // `vite dev` beside a running server: the page comes from here, everything else from there
    proxy: Object.fromEntries(
      ['/api', '/v1', '/mcp', '/health'].map((path) => [path, 'http://127.0.0.1:8080']),
    ),
  },
})
