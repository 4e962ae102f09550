/** `error`: requests fail, or decisions are made without what they need. `warning`: worth a look. */
export type Severity = "error" | "warning";

/** One fault, with everything that a person needs to mend it. */
export interface Finding {
  readonly severity: Severity;
  /** Name of the kind of fault, which does not change between versions. */
  readonly code: string;
  /** Endpoint, picker or document that has it. */
  readonly subject: string;
  readonly what: string;
  readonly why: string;
  /** The line or setting to change. */
  readonly change: string;
}

/** The outcome of an examination. */
export interface Report {
  readonly findings: readonly Finding[];
  /** Checks that could not be made, each with the reason. */
  readonly notChecked: readonly string[];
}

/** Exit codes: 1 and 2 are for scripts that stop on findings. */
export const exitCodes = { well: 0, found: 1, notRun: 2 } as const;

export function exitCodeOf({ findings }: Report, isStrict: boolean): number {
  const faults = findings.filter(({ severity }) => isStrict || severity === "error");
  return faults.length === 0 ? exitCodes.well : exitCodes.found;
}

/** All reports as one, the errors first. */
export function merged(reports: readonly Report[]): Report {
  const findings = reports.flatMap((report) => report.findings);
  return {
    findings: [
      ...findings.filter(({ severity }) => severity === "error"),
      ...findings.filter(({ severity }) => severity === "warning"),
    ],
    notChecked: [...new Set(reports.flatMap(({ notChecked }) => notChecked))],
  };
}

/** The report for a terminal. */
export function reportText({ findings, notChecked }: Report): string {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const blocks = findings.map(
    ({ severity, code, subject, what, why, change }) =>
      `${severity.padEnd(7)}  ${subject}: ${what}  [${code}]\n` +
      `         why     ${why}\n` +
      `         change  ${change}\n`,
  );
  const open = notChecked.map((text) => `not checked  ${text}\n`).join("");
  const counts = `${counted(errors, "error")}, ${counted(findings.length - errors, "warning")}\n`;
  return [...blocks, ...(open === "" ? [] : [open]), counts].join("\n");
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
