import { Agent } from "undici";
import { eventually } from "../wait.ts";
import type { GatewayRig } from "./rig.ts";

/** Milliseconds without a byte. */
const silenceMs = 60_000;

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** What the request said it came from, which is a name of its own. */
  readonly userAgent: string;
}

/** Streams that are all open until the engines are fast again. */
interface OpenStreams {
  /** How many of them have begun to be answered. */
  readonly begun: () => number;
  readonly answers: Promise<readonly Answer[]>;
}

/** Requests through the Gateway of a rig. */
export class GatewayTraffic {
  readonly #rig: GatewayRig;
  readonly #dispatcher = new Agent({ bodyTimeout: silenceMs, headersTimeout: silenceMs });
  #sent = 0;

  constructor(rig: GatewayRig) {
    this.#rig = rig;
  }

  /** A chat completion; `body` has other fields than the usual ones. */
  async chat(body: object = {}, onBegin = () => {}): Promise<Answer> {
    this.#sent += 1;
    const userAgent = `request-${this.#sent}`;
    const response = await this.#dispatcher.request({
      origin: this.#rig.url,
      path: "/v1/chat/completions",
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": userAgent },
      body: JSON.stringify({
        model: "sim-model",
        max_tokens: 2,
        messages: [{ role: "user", content: `hello ${this.#sent}` }],
        ...body,
      }),
    });
    onBegin();
    return { status: response.statusCode, text: await response.body.text(), userAgent };
  }

  /** This many requests, eight at a time. */
  async chats(count: number): Promise<readonly Answer[]> {
    const answers: Answer[] = [];
    while (answers.length < count) {
      answers.push(...(await Promise.all(Array.from({ length: 8 }, () => this.chat()))));
    }
    return answers;
  }

  /** For each of these answers, where the picker sent the request and which engine it came from. */
  routesOf(answers: readonly Answer[]): Promise<readonly Route[]> {
    return eventually("the logs have a line for each request", () => {
      const picks = this.#rig.picks();
      const served = new Map(this.#rig.served().map((each) => [each.userAgent, each]));
      const routes = answers.flatMap(({ userAgent }) => {
        const { requestId = "", upstream = "" } = served.get(userAgent) ?? {};
        const picked = picks.get(requestId);
        return picked === undefined ? [] : { picked, served: upstream };
      });
      return routes.length === answers.length ? routes : undefined;
    });
  }

  /** Sends them at once. Each takes a minute unless the engines become fast before. */
  async openStreams(count: number): Promise<OpenStreams> {
    await this.#rig.engines.slowDown(200);
    let begun = 0;
    // Steps of 2 s, and 30 tokens.
    const streams = Array.from({ length: count }, () =>
      this.chat({ stream: true, max_tokens: 30 }, () => {
        begun += 1;
      }),
    );
    return { begun: () => begun, answers: Promise.all(streams) };
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

interface Route {
  readonly picked: string;
  readonly served: string;
}

/** Whether a streamed answer came to its end. */
export function isWhole({ status, text }: Answer): boolean {
  return status === 200 && text.endsWith("data: [DONE]\n\n");
}
