/** Pace of scrapes, and trust in their signals. */
export interface SignalSettings {
  /** Milliseconds between two scrapes of a busy endpoint while no decisions are made. */
  readonly calmIntervalMs: number;
  /** Milliseconds between two scrapes of an idle endpoint. */
  readonly idleIntervalMs: number;
  /** Share of one core that scraping may use. */
  readonly cpuBudgetRatio: number;
  readonly trust: TrustSettings;
}

/** Weight of the last report of an engine, by its age. */
export interface TrustSettings {
  /** Milliseconds that a report may be late without losing weight, because of timers, the network or a busy engine. */
  readonly graceMs: number;
  /** Milliseconds beyond the grace in which trust halves. */
  readonly halfLifeMs: number;
  /** Milliseconds beyond the grace after which a report does not count. */
  readonly boundMs: number;
}
