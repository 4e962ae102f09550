/** How often engines are asked for their signals, and how far those are believed. */
export interface SignalSettings {
  /** Milliseconds between two scrapes of an endpoint that works while nobody decides. */
  readonly calmIntervalMs: number;
  /** Milliseconds between two scrapes of an endpoint where nothing happens. */
  readonly idleIntervalMs: number;
  /** Share of one core that scraping may use. */
  readonly cpuBudgetRatio: number;
  readonly trust: TrustSettings;
}

/** How far the last report of an engine counts, by its age. */
export interface TrustSettings {
  /** Milliseconds that a report may come late without a loss: timers, the network and a full engine. */
  readonly graceMs: number;
  /** Milliseconds beyond that in which trust halves. */
  readonly halfLifeMs: number;
  /** Milliseconds beyond the grace from which on a report does not count at all. */
  readonly boundMs: number;
}
