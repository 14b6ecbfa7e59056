/**
 * Which of the document's row elements shows which process life.
 *
 * A life that stays in sight keeps its element; elements that fall out of sight are given to lives that
 * come into it. So scrolling makes no elements, and what is under the pointer never becomes another process.
 */
export class Lanes {
  #laneOf = new Map<number, number>();
  #count = 0;

  /** The lane of each life in sight, in their order. */
  assign(lives: readonly number[]): number[] {
    const next = new Map<number, number>();
    for (const life of lives) {
      const lane = this.#laneOf.get(life);
      if (lane !== undefined) next.set(life, lane);
    }
    const taken = new Set(next.values());
    const free: number[] = [];
    for (let lane = this.#count - 1; lane >= 0; lane -= 1) if (!taken.has(lane)) free.push(lane);
    for (const life of lives) if (!next.has(life)) next.set(life, free.pop() ?? this.#count++);
    this.#laneOf = next;
    return lives.map((life) => next.get(life) as number);
  }
}
