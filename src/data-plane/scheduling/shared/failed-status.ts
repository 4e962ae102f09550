/** From this status on, the engine did not run the prompt, or failed. */
const failedStatus = 400;

/** True if the status of a response shows that the engine did not compute the request. */
export function isFailedStatus(httpStatus: number | undefined): httpStatus is number {
  return httpStatus !== undefined && httpStatus >= failedStatus;
}
