import { exchange } from "./exchange.ts";

interface Params {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

type Handlers = Partial<Record<string, (value: unknown) => void>>;

interface Client {
  on(event: string, handler: (value: never) => void): void;
  close(): void;
}

/**
 * xk6-sse's `open`: the answer is read first, and then told event by event, at the times at which
 * its lines came, so that `Date.now` in a handler says what it would have said.
 */
function open(url: string, params: Params, setup: (client: Client) => void): object {
  const answered = exchange({ url, ...params });
  if (answered.status === 0) return { status: 0, error: answered.error };
  const handlers: Handlers = {};
  const client: Client = {
    on: (event, handler) => {
      // Each event has a value of its own type.
      handlers[event] = handler as (value: unknown) => void;
    },
    close: () => undefined,
  };
  setup(client);
  const now = Date.now;
  try {
    handlers["open"]?.(undefined);
    let data = "";
    for (const [index, line] of answered.body.split("\n").slice(0, -1).entries()) {
      Date.now = () => answered.lineMs[index] ?? answered.endMs;
      if (line.startsWith("data:")) data += line.slice(line.startsWith("data: ") ? 6 : 5);
      else if (line === "") {
        handlers["event"]?.({ id: "", name: "", data });
        data = "";
      } else handlers["error"]?.({ error: () => `unknown event: ${line}` });
    }
    if (answered.error !== "") handlers["error"]?.({ error: () => answered.error });
  } finally {
    Date.now = now;
  }
  return { status: answered.status, error: "" };
}

// The scripts import it this way.
// oxlint-disable-next-line import/no-default-export
export default { open };
