/** A port on which requests come in, whatever its protocol. */
export interface Ingress {
  /** Starts to listen and resolves to the port; rejects with a readable error if it cannot. */
  listen(address: string, port: number): Promise<number>;
  /** Requests open now, including those that wait for admission. */
  readonly openRequests: number;
  /** Requests since the start. */
  readonly requestsTotal: number;
  /** Still takes requests, and asks clients to send later ones elsewhere. */
  announceEnd?(): void;
  /** Accepts no new connection, and asks clients to send no more requests; open ones continue. */
  goAway(): void;
  /** Cuts off all that is still open. */
  abort(): void;
}
