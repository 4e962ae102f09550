/** Milliseconds between two pings on a connection that gets streams. */
const pingMs = 100;

/** Milliseconds after which a measurement says nothing about the present. */
const staleMs = 5_000;

/** First half of the payload of our pings; the other half is the time, in milliseconds. */
const mark = 0x64656c61;

const payload = Buffer.alloc(8);
const timeAt = 4;

/**
 * Time that bytes of a connection wait before they are read, for example in the socket while this process is busy. A ping
 * that we send is answered at once, and its answer waits behind all that the client had sent: its round trip is that
 * time, and that of the network. The shortest round trip of the connection stands for the network.
 */
export class ArrivalDelay {
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #lastMs = 0;
  #beforeMs = 0;
  #shortestMs = Number.POSITIVE_INFINITY;

  /** Payload of a ping to send now; undefined if none is due. It is valid until the next call of any connection. */
  due(nowMs: number): Buffer | undefined {
    if (nowMs - this.#sentAtMs < pingMs) return undefined;
    this.#sentAtMs = nowMs;
    payload.writeUInt32BE(mark, 0);
    payload.writeUInt32BE(Math.floor(nowMs) >>> 0, timeAt);
    return payload;
  }

  /** Takes the answer to a ping; ignores those to other pings. `start`: where its payload begins. */
  answered(bytes: Buffer, start: number, nowMs: number): void {
    if (bytes.readUInt32BE(start) !== mark) return;
    const sentAtMs = bytes.readUInt32BE(start + timeAt);
    this.#answeredAtMs = nowMs;
    this.#beforeMs = this.#lastMs;
    // Numbers of 32 bits: they start over after 50 days.
    this.#lastMs = (Math.floor(nowMs) - sentAtMs) >>> 0;
    this.#shortestMs = Math.min(this.#shortestMs, this.#lastMs);
  }

  /** By the shorter one of the last two round trips, so that a single pause does not count. */
  delayMs(nowMs: number): number {
    if (nowMs - this.#answeredAtMs > staleMs) return 0;
    return Math.max(Math.min(this.#lastMs, this.#beforeMs) - this.#shortestMs, 0);
  }
}
