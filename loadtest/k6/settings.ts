import http from "k6/http";

/** Milliseconds after which a request counts as failed. */
export const requestTimeoutMs = 120_000;

/** The gateway or Envoy, without a slash at its end. */
export const target = textOf("TARGET", "http://127.0.0.1:8080").replace(/\/+$/, "");

/** A variable of the environment (`k6 run -e NAME=VALUE`), or what counts without it. */
export function textOf(name: string, fallback: string): string {
  const value = __ENV[name];
  return value === undefined || value === "" ? fallback : value;
}

/** The same for a number above 0. */
export function numberOf(name: string, fallback: number): number {
  const value = Number(textOf(name, String(fallback)));
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`${name} must be a number above 0, got ${__ENV[name]}`);
}

/** Headers of a JSON request, with the key of `API_KEY` if there is one. */
export function headersOf(
  more: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const key = textOf("API_KEY", "");
  return {
    "content-type": "application/json",
    ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
    ...more,
  };
}

/** Data that `setup` gives to every user. */
export interface Pool {
  readonly model: string;
}

/** Asks for the models before the load; `MODEL` names another one than the first. */
export function findModel(): Pool {
  const named = textOf("MODEL", "");
  if (named !== "") return { model: named };
  const response = http.get(`${target}/v1/models`, { headers: headersOf() });
  const first = response.status === 200 ? response.json("data.0.id") : undefined;
  if (typeof first !== "string") {
    throw new Error(`${target}/v1/models: no model, status ${response.status}; set MODEL`);
  }
  return { model: first };
}
