import type { Position } from '../market/position.js';
import type { Frame } from '../wire/codec.js';
import { type Source, Topic } from './topic.js';

/** A topic whose frames each stand for themselves: there is no history of them to be loaded. */
export abstract class MomentTopic<S extends Source = Source> extends Topic<S> {
  /** What brings a subscriber that stands at `position` up to now; null: that is not known any more. */
  abstract since(position: Position | null): readonly Frame[] | null;
}
