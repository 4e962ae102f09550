import { z } from "zod";

/** Characters of an HTTP field name (RFC 9110, 5.1). */
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/;

/** A parameter that is the name of a header in any case; it is converted to lower case, as in requests. */
export const headerNameParam = z
  .string()
  .trim()
  .regex(fieldName, "is not a valid header name")
  .toLowerCase();
