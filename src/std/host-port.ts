/** `ip:port`, with an IPv6 address in brackets. */
export function hostPortOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The value of `Host` for a name and a port of https. */
export function httpsHostOf(name: string, port: number): string {
  return port === 443 ? name : `${name}:${port}`;
}
