import { record } from "./record.ts";

class Metric {
  readonly name: string;

  constructor(name: string, kind: string) {
    // k6 refuses a name that Prometheus would not take, and two metrics of one name.
    if (!/^[A-Za-z_][\w]{0,127}$/.test(name)) throw new Error(`invalid metric name ${name}`);
    if (record.metrics[name] !== undefined) throw new Error(`two metrics ${name}`);
    this.name = name;
    record.metrics[name] = kind;
  }

  add(value: number | boolean, tags: Readonly<Record<string, string>> = {}): void {
    if (Number.isNaN(Number(value))) throw new Error(`${this.name} got ${String(value)}`);
    record.samples.push({ metric: this.name, value: Number(value), tags });
  }
}

export class Trend extends Metric {
  constructor(name: string) {
    super(name, "trend");
  }
}

export class Rate extends Metric {
  constructor(name: string) {
    super(name, "rate");
  }
}

export class Counter extends Metric {
  constructor(name: string) {
    super(name, "counter");
  }
}
