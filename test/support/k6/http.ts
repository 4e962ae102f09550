import { type Answered, exchange } from "./exchange.ts";

interface Params {
  readonly headers?: Readonly<Record<string, string>>;
}

/** The part of k6's response that the scripts use. */
class HttpResponse {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timings: { readonly duration: number };

  constructor({ status, body, headers, startMs, endMs }: Answered) {
    this.status = status;
    this.body = body;
    // k6 gives names as Go writes them.
    this.headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name.replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase()),
        value,
      ]),
    );
    this.timings = { duration: endMs - startMs };
  }

  /** A value by its path, such as `data.0.id`; throws if the body is no JSON, as k6 does. */
  json(path: string): unknown {
    let value: unknown = JSON.parse(this.body);
    for (const key of path.split(".")) {
      if (typeof value !== "object" || value === null) return undefined;
      // Arrays and objects both are looked up by such a key.
      value = (value as Readonly<Record<string, unknown>>)[key];
    }
    return value;
  }
}

// The scripts import it this way.
// oxlint-disable-next-line import/no-default-export
export default {
  get: (url: string, { headers = {} }: Params = {}) =>
    new HttpResponse(exchange({ method: "GET", url, headers, body: "" })),
  post: (url: string, body: string, { headers = {} }: Params = {}) =>
    new HttpResponse(exchange({ method: "POST", url, headers, body })),
  expectedStatuses: (...statuses: readonly unknown[]) => statuses,
  setResponseCallback: (statuses: unknown) => statuses,
};
