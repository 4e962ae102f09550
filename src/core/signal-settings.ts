/** Pace of scrapes, and trust in their signals. */
export interface SignalSettings {
  /** Milliseconds between two scrapes of an endpoint that works while no decisions are made. */
  readonly calmIntervalMs: number;
  /** Milliseconds between two scrapes of an idle endpoint. */
  readonly idleIntervalMs: number;
  /** Share of one core that scraping may use. */
  readonly cpuBudgetRatio: number;
  readonly trust: TrustSettings;
}

/** Weight of the last report of an engine, by its age. */
export interface TrustSettings {
  /** Milliseconds that a report may be late without losing weight: timers, the network and a full engine. */
  readonly graceMs: number;
  /** Milliseconds beyond that in which trust halves. */
  readonly halfLifeMs: number;
  /** Milliseconds beyond the grace from which a report does not count. */
  readonly boundMs: number;
}
