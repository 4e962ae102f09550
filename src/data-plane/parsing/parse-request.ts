import { createRequestReader } from "./request-reader.ts";
import { REQUEST_PARSERS } from "./request-parsers.ts";

/** The reader of every dialect there is. */
export const { bodyIsNeeded, parse: parseRequest } = createRequestReader(REQUEST_PARSERS);
