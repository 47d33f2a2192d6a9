import type { Position } from '../../market/position.js';
import type { Frame } from '../../wire/codec.js';
import { MomentTopic } from '../moment-topic.js';
import type { DeliveryKind } from '../stats.js';
import type { Outlet, Source } from '../topic.js';
import { addressOf, combinedFrame } from './frame.js';

/** What a stream that keeps no history is made from. */
export interface MomentSource extends Source {
  /** The data of frames that bring a subscriber of the stream from `position` up to now; null: that is not known any more. */
  since(name: string, position: Position | null): readonly string[] | null;
}

/** One form, raw or combined, of a stream that has no history. */
export class FormTopic extends MomentTopic<MomentSource> {
  constructor(
    source: MomentSource,
    name: string,
    readonly combined: boolean,
  ) {
    super(source, name, 'json', false, addressOf(name, combined));
  }

  override heartbeat(): null {
    return null;
  }

  override since(position: Position | null): readonly Frame[] | null {
    return this.source.since(this.channel, position)?.map((data) => this.#frame(data)) ?? null;
  }

  say(data: string, kind: DeliveryKind, out: Outlet): void {
    if (this.subscribers > 0) this.publish(this.#frame(data), kind, out);
  }

  #frame(data: string): string {
    return this.combined ? combinedFrame(this.channel, data) : data;
  }
}

/** The topics of such a source, by name: both forms of each. They are never let go of before it, so names must be ones that exist. */
export class FormTopics {
  readonly #byName = new Map<string, FormTopic[]>();

  constructor(
    readonly source: MomentSource,
    readonly outlet: Outlet,
  ) {}

  /** Names. */
  get size(): number {
    return this.#byName.size;
  }

  get(name: string, combined: boolean): FormTopic {
    const forms = this.#byName.get(name) ?? [];
    const known = forms.find((topic) => topic.combined === combined);
    if (known) return known;
    const topic = new FormTopic(this.source, name, combined);
    this.#byName.set(name, [...forms, topic]);
    return topic;
  }

  wants(name: string): boolean {
    return this.#byName.get(name)?.some((topic) => topic.subscribers > 0) ?? false;
  }

  say(name: string, data: string, kind: DeliveryKind = 'update'): void {
    for (const topic of this.#byName.get(name) ?? []) topic.say(data, kind, this.outlet);
  }
}
