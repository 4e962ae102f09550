/** `ip:port`, with an IPv6 address in brackets. */
export function hostPortOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
