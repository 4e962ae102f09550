import { RoundTrips } from "../../../std/round-trips.ts";

/** First half of the payload of our pings; the other half is the time, in milliseconds. */
const mark = 0x64656c61;

const payload = Buffer.alloc(8);
const timeAt = 4;

/**
 * Time that bytes of a connection wait before they are read, for example in the socket while this process is busy. A ping
 * that we send is answered at once, and its answer waits behind all that the client had sent.
 */
export class ArrivalDelay {
  readonly #trips = new RoundTrips();

  /** Payload of a ping to send now; undefined if none is due. It is valid until the next call of any connection. */
  due(nowMs: number): Buffer | undefined {
    if (!this.#trips.isDue(nowMs)) return undefined;
    payload.writeUInt32BE(mark, 0);
    payload.writeUInt32BE(Math.floor(nowMs) >>> 0, timeAt);
    return payload;
  }

  /** Takes the answer to a ping; ignores those to other pings. `start`: where its payload begins. */
  answered(bytes: Buffer, start: number, nowMs: number): void {
    if (bytes.readUInt32BE(start) !== mark) return;
    const sentAtMs = bytes.readUInt32BE(start + timeAt);
    // Numbers of 32 bits: they start over after 50 days.
    this.#trips.answered((Math.floor(nowMs) - sentAtMs) >>> 0, nowMs);
  }

  delayMs(nowMs: number): number {
    return this.#trips.delayMs(nowMs);
  }
}
