/** A column of a table whose rows show values of one kind. */
export interface Column<T> {
  readonly title: string;
  /** Characters; what is longer is cut off. */
  readonly width: number;
  readonly isLeft?: boolean;
  readonly cell: (value: T) => string;
}

const gap = "  ";

export function titleRowOf<T>(columns: readonly Column<T>[]): string {
  return joined(columns, ({ title }) => title);
}

export function rowOf<T>(columns: readonly Column<T>[], value: T): string {
  return joined(columns, ({ cell }) => cell(value));
}

function joined<T>(columns: readonly Column<T>[], textOf: (column: Column<T>) => string): string {
  const cells = columns.map((column) => {
    const text = textOf(column).slice(0, column.width);
    return column.isLeft === true ? text.padEnd(column.width) : text.padStart(column.width);
  });
  return ` ${cells.join(gap)}`.trimEnd();
}
