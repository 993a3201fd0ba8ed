/** Says a length of time as people do: `40 seconds`, `3 minutes`, `1 hour 20 minutes`. */
export function duration(seconds: number): string {
  if (seconds < 90) return count(Math.max(1, Math.round(seconds)), 'second')
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return count(minutes, 'minute')
  const rest = minutes % 60
  return `${count(Math.floor(minutes / 60), 'hour')}${rest === 0 ? '' : ` ${count(rest, 'minute')}`}`
}

const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? '' : 's'}`
