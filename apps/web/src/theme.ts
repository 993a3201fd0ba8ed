import { Anchor, Badge, type CSSVariablesResolver, createTheme, Loader } from '@mantine/core'

/** One accent for what can be done, one colour for each payee of an answer; everything else is neutral. */
export const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: { light: 9, dark: 4 },
  autoContrast: true,
  defaultRadius: 'md',
  respectReducedMotion: true,
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  headings: { fontWeight: '650' },
  components: {
    // colour alone does not tell a link from the words around it
    Anchor: Anchor.extend({ defaultProps: { underline: 'always' } }),
    // a name needs something to belong to
    Loader: Loader.extend({ defaultProps: { role: 'status' } }),
    Badge: Badge.extend({
      defaultProps: { variant: 'light', fw: 600 },
      styles: { root: { textTransform: 'none' } },
    }),
  },
})

/** Mantine's own secondary colours are too faint to read; these keep at least 4.5:1 on every surface they stand on. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#555c63',
    '--mantine-color-cyan-filled-hover': '#095d6d',
    '--mantine-primary-color-filled-hover': '#095d6d',
    '--mantine-color-cyan-light-color': '#095d6d',
    '--mantine-primary-color-light-color': '#095d6d',
    '--mantine-color-placeholder': '#6a7178',
    '--mantine-color-disabled-color': '#636a71',
    '--mantine-color-green-light-color': '#1e6b2c',
    '--mantine-color-red-light-color': '#b02525',
    '--mantine-color-yellow-light-color': '#7a4b00',
    '--mantine-color-gray-light-color': '#495057',
    '--mantine-color-error': '#c92a2a',
  },
  dark: {
    '--mantine-color-dimmed': '#adb5bd',
    '--mantine-color-placeholder': '#949ba2',
    // a button that waits for something has to be seen on a card of nearly the same dark
    '--mantine-color-disabled': '#3d3d3d',
    '--mantine-color-disabled-color': '#adb5bd',
    '--mantine-color-error': '#ff8787',
  },
})
