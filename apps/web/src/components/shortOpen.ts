/** Shortens an exact amount for the eye: whole numbers with two decimals, smaller ones with four significant digits. */
export function shortOpen(exact: string): string {
  const [whole = '0', fraction = ''] = exact.split('.')
  if (fraction === '') return Number(whole).toLocaleString('en')
  if (whole !== '0') return `${Number(whole).toLocaleString('en')}.${fraction.slice(0, 2).padEnd(2, '0')}`
  const lead = fraction.match(/^0*/)![0].length
  if (lead > 8) return '< 0.00000001'
  return `0.${fraction.slice(0, lead + 4).replace(/0+$/, '')}`
}
