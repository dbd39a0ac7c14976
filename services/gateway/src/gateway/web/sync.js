// Keeps one player where its party is: a clock that knows the server's time and how wrong it may be, and a follower
// that starts, stops and moves the player on time, and otherwise bends its speed by less than anybody hears. No
// dependencies, no DOM: any object with currentTime, playbackRate, paused, play() and pause() is a player.
//
//   const clock = new Clock();
//   clock.add(t0, t1, t2, t3);                   // as often as clock.due() asks, from the socket's `time`
//   const sync = new Sync(video, { clock, on: { control: (kind, position) => … } });
//   sync.follow({ position, at, rate, playing });  // the newest of the party's anchors
//
// docs/sync.md explains it; `make bench-sync` measures it.

/** @typedef {{ position: number, at: string | number, rate?: number, playing: boolean }} Anchor `at`: ISO or ms */
/** @typedef {"in-sync" | "ahead" | "behind" | "buffering" | "waiting" | "blocked" | "unknown"} State */
/** @typedef {"play" | "pause" | "seek" | "rate"} Control */

const BURST = 8;
/** Milliseconds between samples: of a burst, and afterwards. */
const QUICK = 100;
const STEADY = 5_000;
/** Samples live for ten minutes: enough to tell a slope of a few ppm, short enough for crystals that warm up. */
const KEPT = 600_000;
/** What is known unmeasured: two crystals differ by some 100 ppm, and stray from their line by some 10 ppm. */
const SKEW = 100e-6;
const STRAY = 10e-6;
/** Milliseconds by which even a perfect sample errs: timers, and the event loops at both ends. */
const GRAIN = 1;
/** Milliseconds by which the clocks of two gateways may differ without one of them having been set. */
const STEP = 5;

/**
 * The server's time, out of four stamps a sample. `t1 - t0` is the offset and how long the way up took, `t2 - t3` the
 * offset less the way down: the offset runs between the two clouds, in the middle between their edges, which are drawn
 * by the packets that nothing delayed. One way at a time, that takes far fewer samples than waiting for a round trip
 * that was quick both ways: with 100 ± 50 ms, 2 ms are reached in three minutes, where the best round trip leaves 5.
 *
 * A path that always takes longer one way than the other shifts the result by half the difference; no stamps can show
 * that, and `uncertainty` does not count it.
 */
export class Clock {
  #local; #samples = []; #line = null; #burst = BURST; #last = -Infinity; #doubted = false;

  /** @param {{ local?: () => number }} options A monotonic clock in milliseconds. */
  constructor({ local = () => performance.now() } = {}) {
    this.#local = local;
  }

  /** Local ms when asked, server ms when it came, server ms when the answer went, local ms when that came. */
  add(t0, t1, t2, t3) {
    const sample = { at: (t0 + t3) / 2, high: t1 - t0, low: t2 - t3 };
    const late = sample.high - sample.low;
    if (!(late > -GRAIN && late < Infinity)) return;
    if (this.#line && this.#contradicts(sample)) this.#samples = [];
    this.#samples = [...this.#samples.filter(({ at }) => at > sample.at - KEPT), sample];
    this.#line = between(this.#samples, this.#line?.slope ?? 0);
    this.#doubted = false;
    this.#burst = Math.max(0, this.#burst - 1);
    this.#last = this.#local();
  }

  /** After sleep or a new connection: nothing is believed until a sample agrees, and a burst of them is wanted. */
  wake() {
    this.#doubted = true;
    this.#burst = BURST;
    this.#last = -Infinity;
  }

  /** Server ms; NaN as long as nothing is known. */
  now() {
    const local = this.#local();
    return this.#line ? local + this.#line.at(local) : NaN;
  }

  get known() { return this.#line !== null; }

  /** Milliseconds by which `now()` is wrong at most, nineteen times out of twenty; grows while nothing is heard. */
  get uncertainty() { return this.#line && !this.#doubted ? 3 * this.#line.deviation(this.#local()) : Infinity; }

  /** The best round trip of the last few, in ms; 0 as long as nothing is known. */
  get rtt() { return this.#samples.length ? Math.min(...this.#samples.slice(-BURST).map(roundTrip)) : 0; }

  /** By how many ppm the server's clock runs faster than this one. */
  get skew() { return this.#line ? this.#line.slope * 1e6 : 0; }

  /** Milliseconds until the next sample is wanted. Look again now and then while you wait: `wake()` makes it 0. */
  due() {
    return Math.max(0, this.#last + (this.#burst ? QUICK : STEADY) - this.#local());
  }

  /** Whether either clock must have been set, or this one stood still while the machine slept. */
  #contradicts({ at, high, low }) {
    const slack = STEP + 3 * this.#line.deviation(at);
    const offset = this.#line.at(at);
    return offset > high + slack || offset < low - slack;
  }
}

const roundTrip = ({ high, low }) => Math.max(0, high - low);

/** The line in the middle between the edges of both clouds, and how sure it is. *slope* is where to begin. */
function between(samples, slope) {
  const { at: origin, low: base } = samples.at(-1);
  const slack = Math.min(...samples.map(roundTrip)) / samples.length;
  let up, down, stiffness;
  // What lies near an edge depends on its slope, and the slope on what lies near.
  for (let pass = 0; pass < 3; pass++) {
    up = edge(samples.map(({ at, high }) => [at - origin, high - base]), slope, slack);
    down = edge(samples.map(({ at, low }) => [at - origin, base - low]), -slope, slack);
    stiffness = up.xx + down.xx + 1 / SKEW ** 2;
    slope = (up.xy - down.xy) / stiffness;
  }
  const middle = (up.x + down.x) / 2;
  const height = base + (up.y - down.y) / 2;
  const variance = (up.gap ** 2 + down.gap ** 2 + GRAIN ** 2) / 4;
  return {
    slope,
    at: (local) => height + slope * (local - origin - middle),
    deviation: (local) => {
      const x = local - origin;
      return Math.sqrt(variance + (x - middle) ** 2 / stiffness + (STRAY * x) ** 2);
    },
  };
}

/**
 * The lower edge of points: a line of least squares that heeds a point the less, the higher it lies above the lowest.
 * `gap` is how far the edge may lie above the truth: of n delays, the least is about an n-th of their spread too long.
 */
function edge(points, slope, slack) {
  const least = Math.min(...points.map(([x, y]) => y - slope * x + STRAY * Math.abs(x)));
  const above = points.map(([x, y]) => Math.max(0, y - slope * x - least));
  const gap = ((2 * above.reduce((sum, late) => sum + late, 0)) / points.length + slack) / (points.length + 1);
  let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
  for (const [n, [x, y]] of points.entries()) {
    const weight = 1 / (GRAIN ** 2 + (gap + above[n]) ** 3 + (STRAY * x) ** 2);
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  return { gap, x: wx / w, y: wy / w, xx: wxx - (wx * wx) / w, xy: wxy - (wx * wy) / w };
}

/**
 * Where a party is, in seconds. Before `at` it stands where it will begin.
 * @param {Anchor} anchor
 * @param {number} serverMs
 */
export function place(anchor, serverMs) {
  if (!anchor.playing) return anchor.position;
  return anchor.position + ((anchor.rate ?? 1) * Math.max(0, serverMs - milliseconds(anchor.at))) / 1000;
}

const milliseconds = (at) => (typeof at === "number" ? at : Date.parse(at));

/** Seconds. A player this near shows the same picture. */
const FRAME = 1 / 24;
/** Milliseconds between looks: odd, so that they fall on other parts of a frame each time, at any usual frame rate. */
const EVERY = 97;
const LOOKS = 10;
/** Seconds by which looks at a player that does not round may go up, and looks that it takes to believe that. */
const EXACT = 0.004;
const EVEN = 60;
/** Milliseconds after which a look no longer counts; in a hidden tab looks may be a second apart, or a minute. */
const STALE = 12_000;
/** Milliseconds within which players do what they are told; until then, what they say of themselves means nothing. */
const GRACE = 1_000;
/** Milliseconds without another touch after which we believe that somebody meant it. */
const MEANT = 250;
/** Milliseconds within which the party should follow what its member did; after that the member follows the party. */
const ANSWERED = 2_000;
/** Milliseconds without progress after which a player is stuck, whatever it says of itself. */
const STUCK = 1_200;
/** Milliseconds after a start or a jump in which players, browsers too, show what they are about to play. */
const UNSTEADY = 250;
/** Milliseconds after which a jump or a start that was not seen to succeed is given up. */
const GIVEN_UP = 10_000;
/** Milliseconds between jumps at most, however little they help; of two within twice this, the first did not. */
const RARELY = 60_000;
/** Seconds beside what an anchor says in which a player is there already: it was this member who pressed the button. */
const NEAR = 0.5;
/** Seconds beside a party that somebody just moved from which one jump is better: speed would take more than three. */
const SLOW = 0.15;
/** Milliseconds for which the party counts as just moved. */
const MOVED = 3_000;
/** Seconds by which a jump that somebody asked for goes further than it must: the player lands, stands and starts on
 *  time, which is far more exact than hoping that it takes as long as it did before. */
const SPARE = 0.25;
/** Seconds within which a player that stands ahead waits for the party to come. */
const SOON = 1;
/** The smallest step of speed: with less, a second would not correct what an ear cannot tell anyway. */
const STEP_OF_SPEED = 0.01;

const TOLERANCES = {
  /** Seconds from which speed is bent, and until which. From half a frame, so that any two players are within one of
   *  each other; 200 ppm take a minute to there. Until what a clock and a frame counter, 5 ms each, can tell at all. */
  start: 0.02,
  stop: 0.006,
  /** Share by which speed is bent at most. Browsers keep the pitch; PAL showed films 4 % fast for decades. */
  rate: 0.05,
  /** Seconds from which it is worth a jump. Up to here speed does it, within 50 s, and nobody misses a word. */
  jump: 2.5,
  /** Seconds, in place of `jump`, for players whose speed is not to be bent. */
  coarse: 0.4,
  /** Seconds beyond which a member is shown as ahead or behind: more than a reaction called across the room. */
  shown: 0.25,
  /** Seconds between jumps that nobody asked for; doubles up to a minute while they do not help. */
  coolDown: 3,
};

/** How long a player takes to do something, in seconds: the median of the last five times, for one stall is no rule. */
class Latency {
  #last = [];

  constructor(guess, most) {
    this.seconds = guess;
    this.most = most;
  }

  learn(took) {
    if (!(took < this.most)) return;
    this.#last = [...this.#last.slice(-4), Math.max(0, took)];
    this.seconds = middle(this.#last);
  }
}

const middle = (values) => [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];

/**
 * How far a player is ahead, out of several looks, each moved on by what was gained since. Many players tell the time
 * of a frame, or of their last update: a look may show too little and never too much, so the most of several is the
 * truth, unless the newest shows less by more than the player's grain, because then it has slipped. One that has not
 * gone up and down for some seconds does not round, as browsers do not, and is believed as it is.
 */
class Lead {
  #looks = [];
  #even = 0;
  #gained = 0;

  clear() { this.#looks = []; }

  /** Local ms, seconds ahead, seconds gained a second since the look before, and the grain in seconds. */
  add(local, seconds, gains, grain) {
    const last = this.#looks.at(-1);
    if (last) this.#gained += (gains * (local - last.local)) / 1000;
    const own = seconds - this.#gained;
    if (last) this.#even = own > last.seconds + EXACT ? 0 : this.#even + 1;
    if (last && seconds < this.seconds - grain) this.clear();
    this.#looks.push({ local, seconds: own });
    while (this.#looks.length > LOOKS || this.#looks[0].local < local - STALE) this.#looks.shift();
  }

  get exact() { return this.#even >= EVEN; }

  get seconds() {
    const told = this.#looks.map(({ seconds }) => seconds);
    return this.#gained + (this.exact ? middle(told.slice(-3)) : Math.max(...told));
  }

  get settled() {
    const { length } = this.#looks;
    return length > 4 || (length > 1 && this.#looks[length - 1].local - this.#looks[0].local > 400);
  }
}

/** Which speeds a player knows, between those that change nothing and those that change too much. */
class Speeds {
  constructor(most) {
    this.least = STEP_OF_SPEED;
    this.most = most;
  }

  get any() { return this.most >= this.least; }

  /** The share by which to bend, to be rid of so many seconds in about so many. */
  share(seconds, within) {
    const wanted = Math.round(seconds / within / STEP_OF_SPEED) * STEP_OF_SPEED;
    return Math.max(this.least, Math.min(this.most, wanted));
  }

  /** A share was asked for, and that is what became of it; some players round to 0.05 or 0.25. Whether it will do. */
  learn(asked, got, limit) {
    if (got < STEP_OF_SPEED / 2) this.least = asked + STEP_OF_SPEED;
    else if (got > limit * 1.01) this.most = asked - STEP_OF_SPEED;
    else return true;
    return false;
  }
}

/** Keeps a player where the party's newest anchor says that it should be. */
export class Sync {
  #player; #clock; #local; #on; #tolerances; #offset; #setTimer; #clearTimer;
  #timer = null;
  #stopped = false;
  #looking = false;
  #heard = (event) => {
    if (event?.type === "seeking") this.#heardOfSeek = true;
    this.tick();
  };
  // The party: the anchor that holds, and those that will, in order.
  #newest = null; #current = null; #pending = [];
  // The player: what it was told or left to do and when, what it still does and takes for it, where it was and stands.
  #paused; #rate = null; #ordered = null; #normal = 1; #toldAt = -Infinity;
  #doing = null; #startsIn = Infinity; #starting = new Latency(0.05, 2); #seeking = new Latency(0.15, 10);
  #lead = new Lead(); #reckoned = null; #stood = null; #seen = null; #interval = EVERY; #progressAt = -Infinity;
  #grain = 0; #stuck = false; #blocked = false; #hidden = false; #shownAt = -Infinity;
  // Correction. `asked` is why a jump is due: "place" to begin anew, "control" if the party was moved, null for drift.
  #asked = "place"; #askedAt = -Infinity; #atOnce = false; #placings = 0; #jumpedAt = -Infinity; #coolDown = 0;
  #bent = 0; #bends; #speeds;
  // What the user does with the player's own buttons.
  #touched = null; #heardOfSeek = false; #excusedAt = -Infinity; #expected = {}; #resting = false; #patientUntil = null;
  // What is told.
  #state = "unknown"; #drift = null; #stalls = 0; #seeks = 0;

  /**
   * @param {object} player
   * @param {object} options
   * @param {Clock} options.clock
   * @param {() => number} [options.local] The clock's own local clock.
   * @param {number} [options.offset] Seconds: this copy's time is the party's and these.
   * @param {boolean} [options.rateCorrection] False for players that stutter when their speed changes.
   * @param {((act: () => void, ms: number) => unknown) | null} [options.setTimer] Null: the caller ticks.
   * @param {((timer: unknown) => void) | null} [options.clearTimer]
   * @param {{ state?: (state: State, drift: number | null) => void, blocked?: () => void,
   *   correction?: (kind: "seek" | "rate", how: { drift: number, from?: number, to?: number, rate?: number }) => void,
   *   control?: (kind: Control, position: number, rate?: number) => void }} [options.on]
   * @param {Partial<typeof TOLERANCES>} [options.tolerances]
   */
  constructor(player, {
    clock, local = () => performance.now(), offset = 0, rateCorrection = true, on = {}, tolerances = {},
    setTimer = (act, ms) => setTimeout(act, ms), clearTimer = (timer) => clearTimeout(timer),
  }) {
    this.#player = player;
    this.#clock = clock;
    this.#local = local;
    this.#offset = offset;
    this.#on = on;
    this.#tolerances = { ...TOLERANCES, ...tolerances };
    this.#bends = rateCorrection;
    this.#speeds = new Speeds(this.#tolerances.rate);
    this.#setTimer = setTimer;
    this.#clearTimer = clearTimer;
    this.#paused = player.paused;
    for (const event of HEARD) player.addEventListener?.(event, this.#heard);
    this.tick();
  }

  /** The newest anchor of the party. One that lies ahead waits for its time; what comes before it still comes. */
  follow({ position, at, rate = 1, playing }) {
    const next = { position, rate, playing, at: milliseconds(at) || 0 };
    const last = this.#newest;
    if (last && same(last, next)) return;
    this.#newest = { ...next };
    if (last && Math.abs(place(last, next.at) - next.position) > SLOW) this.#ask();
    this.#pending = [...this.#pending.filter((sooner) => sooner.at < next.at), next];
    this.#placings = 0;
    this.#letGo();
    this.tick();
  }

  /** Look at the player, and do what is to be done. Happens by itself about ten times a second. */
  tick() {
    if (this.#stopped || this.#looking) return;
    this.#looking = true;
    try {
      this.#say(this.#look());
    } finally {
      this.#looking = false;
      this.#wind();
    }
  }

  /** Tell that you are about to play, pause, seek or change the rate yourself, and that it is not the user's wish. */
  expect(kind) { this.#expected[kind] = this.#local() + GRACE; }

  /** At the user's wish: play again if that was blocked, go to the party at once. Call it where a touch is handled. */
  resync() {
    this.#blocked = false;
    this.#toldAt = -Infinity;
    this.#beginAnew();
    this.#letGo();
    // Browsers want to see play() while they handle the touch.
    this.#atOnce = true;
    this.tick();
    this.#atOnce = false;
  }

  /** Leave the player alone, at the party's speed. */
  stop() {
    this.#unbend();
    this.#stopped = true;
    this.#clearTimer?.(this.#timer);
    for (const event of HEARD) this.#player.removeEventListener?.(event, this.#heard);
  }

  get offset() { return this.#offset; }

  set offset(seconds) {
    if (seconds === this.#offset) return;
    this.#offset = seconds;
    this.#beginAnew();
    this.tick();
  }

  get hidden() { return this.#hidden; }

  /** Tell whether the page is hidden: browsers pause players then, and nobody meant it. */
  set hidden(hidden) {
    if (this.#hidden && !hidden) {
      this.#shownAt = this.#local();
      this.#blocked = false;
    }
    this.#hidden = hidden;
    this.tick();
  }

  /** Seconds ahead of the party, negative behind; null while nothing can be said. */
  get drift() { return this.#drift; }

  /** @returns {State} */
  get state() { return this.#state; }

  /** What `party.report` asks for, but for the party's id; null as long as the server's time is unknown. */
  report() {
    if (!this.#clock.known) return null;
    const { paused, playbackRate, currentTime } = this.#player;
    const at = this.#clock.now();
    const buffering = this.#state === "buffering";
    // Finer than what the player tells, as long as it goes on as it did at the last look.
    const reckoned = buffering || this.#drift === null ? currentTime : this.#goal(at).place + this.#drift;
    return {
      position: Math.max(0, reckoned - this.#offset), at,
      playing: !paused && !this.#blocked, buffering, rate: playbackRate,
      rtt: Math.min(60, this.#clock.rtt / 1000), uncertainty: Math.min(60, this.#clock.uncertainty / 1000),
      stalls: this.#stalls, seeks: this.#seeks, hidden: this.#hidden,
    };
  }

  // The party's course.

  /** One timer: for the next look, or sooner for what is due at a moment. */
  #wind() {
    if (this.#setTimer === null) return;
    this.#clearTimer?.(this.#timer);
    const [next] = this.#pending;
    const due = next && this.#clock.known ? this.#moment(next) - this.#clock.now() : EVERY;
    this.#timer = this.#setTimer(this.#heard, Math.max(1, Math.ceil(Math.min(EVERY, due, this.#startsIn))));
  }

  /** Server ms at which to act on an anchor that lies ahead. */
  #moment(next) {
    if (!this.#stands(next)) return next.at;
    if (!next.playing) return -Infinity;
    const { paused, currentTime } = this.#player;
    const start = this.#starting.seconds;
    // Too late to jump, stand and start on time: jump to where the party will be by then.
    if (!paused && next.at - this.#clock.now() < (this.#seeking.seconds + start) * 1000) return -Infinity;
    // A player that stands a little beside the place starts a little sooner or later instead of moving there.
    const short = next.position + this.#offset - this.#standing(currentTime);
    return next.at - (start + (Math.abs(short) < 2 * FRAME ? short / next.rate : 0)) * 1000;
  }

  /** Whether the player has to stand and wait for this anchor; otherwise it runs into it. */
  #stands(next) { return (next.stands ??= !this.#continues(next) && !this.#isThere(next)); }

  #continues(next) {
    const { playing } = this.#current ?? {};
    return (next.continues = playing && Math.abs(place(this.#current, next.at) - next.position) <= FRAME);
  }

  /** Whether this member's own player has begun already; the anchor is then followed from now on, without a stop. */
  #isThere(next) {
    const { paused, currentTime } = this.#player;
    const now = this.#clock.now();
    const early = Math.max(0, ((next.at - now) / 1000) * next.rate);
    const beside = currentTime - this.#offset + early - place(next, now);
    if (!next.playing || paused || Math.abs(beside) >= NEAR) return false;
    if (early > 0) Object.assign(next, { position: next.position - early, at: now });
    if (this.#asked === "control") this.#asked = null;
    return true;
  }

  #promote() {
    const next = this.#pending.shift();
    // Looks at a player that simply runs on stay true; others speak of another place.
    if (this.#stands(next) || !next.continues) this.#forget();
    if (this.#stands(next)) this.#ask();
    this.#current = next;
  }

  /** Where the player should be, in its own time, and whether it should run or wait to. */
  #goal(server) {
    const [next] = this.#pending;
    if (next && (!this.#current || this.#stands(next))) {
      return { runs: false, waits: true, rate: next.rate, place: this.#inCopy(next.position) };
    }
    const { playing, rate } = this.#current;
    const position = place(this.#current, server);
    // A copy that begins later than the party's waits for its beginning.
    const runs = playing && position + this.#offset >= -this.#starting.seconds * rate;
    return { runs, waits: playing && !runs, rate, place: this.#inCopy(position) };
  }

  #inCopy(position) {
    const { duration } = this.#player;
    return Math.max(0, Math.min(position + this.#offset, duration > 0 ? duration : Infinity));
  }

  // A look.

  /** @returns {State} */
  #look() {
    const player = this.#player;
    if (!(this.#current || this.#pending.length) || !(this.#clock.uncertainty < 1_000)) return this.#nothing("unknown");
    if (player.readyState === 0) return this.#emptied();
    while (this.#pending.length && this.#clock.now() >= this.#moment(this.#pending[0])) this.#promote();
    const [local, server, reported] = [this.#local(), this.#clock.now(), player.currentTime];
    const { paused, playbackRate: ran } = player;
    const goal = this.#goal(server);
    const look = { local, server, reported, paused, ran, goal };
    this.#startsIn = Infinity;
    if (goal.rate !== this.#normal) this.#setNormal(goal.rate);
    const left = this.#notice(look);
    this.#interval = Math.max(EVERY, local - (this.#seen?.local ?? local), this.#interval * 0.8);
    if (this.#seen?.reported !== reported) this.#progressed(local);
    this.#seen = look;
    if (left) return this.#beside(reported - goal.place);
    return goal.runs ? this.#run(look) : this.#stand(look);
  }

  /** How long it told the same shows how far behind the truth it may tell: a frame mostly, a second for some. */
  #progressed(local) {
    const same = (this.#seen?.local ?? 0) - this.#progressAt;
    this.#grain = Math.max(1.2 * FRAME, same > EVERY / 2 && same < STUCK ? (same + EVERY) / 1000 : this.#grain * 0.9);
    this.#progressAt = local;
  }

  #nothing(state) {
    this.#drift = this.#seen = null;
    return state;
  }

  /** Another source is being loaded: it begins anew, whatever it was doing. */
  #emptied() {
    this.#beginAnew();
    this.#lead = new Lead();
    this.#rate = this.#ordered = this.#touched = null;
    this.#paused = this.#player.paused;
    return this.#nothing("buffering");
  }

  #beginAnew() {
    this.#asked = "place";
    this.#placings = this.#bent = this.#coolDown = 0;
    this.#doing = this.#stood = null;
    this.#forget();
  }

  #forget() {
    this.#lead.clear();
    this.#reckoned = null;
  }

  #beside(seconds) {
    this.#drift = seconds;
    if (Math.abs(seconds) <= this.#tolerances.shown) return "in-sync";
    return seconds > 0 ? "ahead" : "behind";
  }

  #say(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#on.state?.(state, this.#drift);
  }

  // What the user does with the player, as opposed to us and to the browser.

  /** Whether the player is to be left alone for now. */
  #notice(look) {
    const { local, paused, goal } = look;
    const { playbackRate: rate } = this.#player;
    if (this.#blocked && !paused) this.resync();
    if (this.#wasMoved(look)) {
      if (this.#expects("seek", local)) this.#beginAnew();
      else this.#touched = { since: local, sought: true, paused };
    }
    if (paused !== this.#paused && local - this.#toldAt > GRACE) {
      if (paused && this.#falsePause(look)) this.#paused = true;
      else if (this.#touched?.paused !== paused) this.#touched = { ...this.#touched, since: local, paused };
    }
    if (this.#rate !== null && !this.#doing && Math.abs(rate - this.#rate) > 0.001) this.#wasRated(look, rate);
    if (this.#touched && local - this.#touched.since >= MEANT) this.#conclude(look);
    if (this.#patientUntil !== null && this.#patientUntil <= local) {
      this.#patientUntil = null;
      this.#beginAnew();
    }
    return this.#touched !== null || this.#patientUntil !== null || (this.#resting && goal.runs);
  }

  /** No player moves back by itself, or on faster than it plays; one that stalls or is seldom seen does neither. */
  #wasMoved({ local, reported, paused, ran }) {
    const seen = this.#seen;
    const { seeking, addEventListener } = this.#player;
    const sought = this.#heardOfSeek || seeking || !addEventListener;
    this.#heardOfSeek = false;
    if (!sought || !seen || (this.#doing && !this.#doing.moved)) return false;
    const moved = reported - seen.reported;
    const speed = paused && seen.paused ? 0 : Math.max(ran, seen.ran);
    return moved < -0.25 || moved > (speed * 1.1 * (local - seen.local)) / 1000 + (speed ? 0.5 : 0.25);
  }

  /** Browsers pause a player at its end, while it loads, in the background, and when the app told them to. */
  #falsePause({ local, reported, goal }) {
    const unseen = this.#hidden || local - this.#shownAt < GRACE;
    if (unseen || this.#expects("pause", local) || this.#atEnd(reported, goal)) return true;
    // Somebody who presses it again while it loads means it.
    if (this.#ready() || local - this.#excusedAt < 3 * GRACE) return false;
    this.#excusedAt = local;
    return true;
  }

  #ready() { return (this.#player.readyState ?? 4) >= 3; }

  #expects(kind, local) { return this.#expected[kind] > local; }

  #wasRated({ local, reported }, rate) {
    this.#rate = rate;
    this.#ordered = null;
    if (this.#expects("rate", local) || !this.#ready()) return;
    this.#patientUntil = local + ANSWERED;
    this.#tellControl("rate", reported, rate);
  }

  #conclude({ local, reported, paused, goal }) {
    const turned = paused !== this.#paused;
    const { sought } = this.#touched;
    this.#touched = this.#stood = null;
    this.#paused = paused;
    this.#forget();
    if (turned && !paused && goal.runs) {
      // Somebody who rested while the party went on is back: no wish to move the party.
      this.#resting = false;
      return this.#beginAnew();
    }
    const meant = turned && paused !== !goal.runs ? (paused ? "pause" : "play") : sought ? "seek" : null;
    if (meant === null) return undefined;
    // Their own pause is respected until the party does something, or they do.
    if (meant === "pause") this.#resting = true;
    else this.#patientUntil = local + ANSWERED;
    return this.#tellControl(meant, reported);
  }

  #tellControl(kind, reported, rate) { this.#on.control?.(kind, Math.max(0, reported - this.#offset), rate); }

  /** Somebody moved the party: that may take one jump. */
  #ask() {
    this.#asked ??= "control";
    this.#askedAt = this.#local();
  }

  #letGo() {
    this.#touched = this.#patientUntil = null;
    this.#resting = false;
  }

  // Standing.

  /** @returns {State} */
  #stand({ local, reported, paused, goal }) {
    const { seeking = false } = this.#player;
    this.#unbend();
    this.#blocked = false;
    if (!paused && !(this.#paused && local - this.#toldAt < GRACE)) this.#pause(local);
    if (this.#doing && this.#landed(local, reported)) this.#settleDown(local);
    let off = this.#standing(reported) - goal.place;
    if (Math.abs(off) > FRAME && !this.#doing && this.#placings < 2) {
      // Once more if it missed; one that knows only key frames will never get there.
      if (this.#placings++) this.#asked ??= "control";
      this.#jump(local, goal.place, goal.rate, off);
      off = 0;
    } else if (!this.#doing) this.#asked = null;
    const state = this.#beside(off);
    if (goal.waits) return "waiting";
    return seeking ? "buffering" : state;
  }

  #settleDown(local) {
    if (this.#doing.seeks && this.#player.seeking === false) this.#seeking.learn((local - this.#doing.since) / 1000);
    this.#doing = null;
  }

  #landed(local, reported) {
    const { seeking = false } = this.#player;
    const { from, since } = this.#doing;
    return (!seeking && Math.abs(reported - from) < FRAME) || local - since > (seeking ? GIVEN_UP : 2 * GRACE);
  }

  /** Where it stands: what it tells is rounded, and what was reckoned before it stopped is finer. */
  #standing(reported) {
    const known = this.#stood !== null && !this.#lead.exact;
    return known && Math.abs(reported - this.#stood) < 1.5 * FRAME ? this.#stood : reported;
  }

  // Running.

  /** @returns {State} */
  #run(look) {
    const { local, reported, paused, ran, goal } = look;
    if (this.#atEnd(reported, goal)) return this.#beside(0);
    if (this.#blocked) return "blocked";
    if (paused !== this.#paused && local - this.#toldAt <= GRACE) return this.#state;
    if (paused) return this.#begin(look);
    if (this.#cannotGoOn(local)) return this.#waitForPlayer(look);
    this.#stuck = false;
    if (this.#doing && !this.#underWay(look)) return this.#beside(this.#drift ?? 0);
    this.#setRate(goal.rate * (1 + this.#bent));
    this.#lead.add(local, reported - goal.place, ran - goal.rate, this.#grain * ran);
    const { seconds, settled } = this.#lead;
    const state = this.#beside(seconds);
    // What somebody asked for is so far off that one look shows it.
    if (settled || (this.#asked && Math.abs(seconds) > this.#bearable() + this.#grain)) this.#settle(look, seconds);
    return state;
  }

  /** Whether it stands at its end and the party is about there, or further: playing on would begin the film anew. */
  #atEnd(reported, goal) {
    const { duration, ended } = this.#player;
    return duration > 0 && (ended || reported >= duration - 0.1) && goal.place >= duration - this.#tolerances.jump;
  }

  /** Start a player that stands though the party goes on. */
  #begin(look) {
    const { local, reported, goal } = look;
    if (this.#doing?.seeks && this.#landed(local, reported)) this.#settleDown(local);
    const { seeking = false } = this.#player;
    const from = this.#standing(reported);
    const start = this.#starting.seconds * goal.rate;
    const off = from - (goal.place + start);
    this.#setRate(goal.rate);
    if (off > 0 && off < SOON * goal.rate && !this.#atOnce) return this.#waitForParty(off / goal.rate);
    if (this.#worthAJump(off, local) && !this.#doing) {
      this.#leap(look, off);
      if (!this.#atOnce) return "waiting";
    }
    if (this.#doing) Object.assign(this.#doing, { starts: true });
    else this.#doing = { since: local, from, rate: goal.rate, starts: true, muddled: seeking };
    this.#play(local);
    return this.#beside(this.#doing.seeks || Math.abs(off) <= start ? 0 : off);
  }

  /** It stands where the party will be in so many seconds, less what it takes to start. */
  #waitForParty(seconds) {
    this.#startsIn = seconds * 1000;
    this.#drift = 0;
    return "waiting";
  }

  /** Whether data are lacking, it says that it is on its way, or it does not move. */
  #cannotGoOn(local) { return !this.#ready() || this.#player.seeking || local - this.#progressAt > STUCK; }

  #waitForPlayer({ local, reported, goal }) {
    // What it was told to do takes its time: that is no stall.
    const obeys = this.#doing !== null && local - this.#doing.since < GIVEN_UP;
    if (!this.#stuck && !obeys) {
      this.#stuck = true;
      this.#stalls += 1;
    }
    this.#unbend();
    this.#forget();
    this.#beside(reported - goal.place);
    return "buffering";
  }

  /** Whether a jump or start has come so far that what the player tells is true. */
  #underWay({ local, reported }) {
    const { from, since, rate } = this.#doing;
    const gone = reported - from;
    if (gone > 0.001 && gone < (rate * 1.2 * (local - since)) / 1000 + NEAR) this.#doing.moved ??= local;
    else if (local - since > GIVEN_UP) this.#doing = null;
    return this.#doing === null || local - this.#doing.moved >= UNSTEADY;
  }

  /** What follows from a drift that is known: learn from the last jump or start, then correct. */
  #settle(look, seconds) {
    const { local, goal } = look;
    this.#reckoned = { local, position: goal.place + seconds };
    if (this.#doing) this.#learn(local, goal.place + seconds);
    if (this.#worthAJump(seconds, local)) {
      this.#leap(look, seconds);
    } else {
      const isDone = this.#asked === "place" || local - this.#askedAt > MOVED;
      if (isDone && Math.abs(seconds) <= this.#bearable()) this.#asked = null;
      this.#bend(seconds, goal.rate);
    }
  }

  #learn(local, reached) {
    const { since, from, rate, starts, seeks, muddled } = this.#doing;
    const took = (local - since) / 1000 - (reached - from) / rate;
    if (seeks) this.#seeking.learn(took - (starts ? this.#starting.seconds : 0));
    else if (!muddled) this.#starting.learn(took);
    this.#doing = null;
  }

  #worthAJump(off, local) {
    const sure = Math.abs(off) > Math.max(this.#bearable(), this.#clock.uncertainty / 1000);
    return sure && (this.#asked !== null || local - this.#jumpedAt >= this.#coolDown);
  }

  /** Seconds beside the party that call for no jump. */
  #bearable() {
    if (this.#asked) return this.#asked === "place" ? FRAME : SLOW;
    return this.#bends && this.#speeds.any ? this.#tolerances.jump : this.#tolerances.coarse;
  }

  /** Jump to where the party will be by then: to run on there if it is drift, or else to stand and start on time. */
  #leap({ local, server, paused, goal }, off) {
    const stands = this.#asked !== null && !this.#atOnce;
    if (stands && !paused) this.#pause(local);
    const start = stands || paused ? this.#starting.seconds : 0;
    const takes = this.#seeking.seconds + start + (stands ? SPARE : 0);
    this.#jump(local, this.#inCopy(place(this.#current, server + takes * 1000)), goal.rate, off);
  }

  /** Bend the speed a little until the drift is gone, by as much as rids it of that in a second, if it may. */
  #bend(seconds, rate) {
    const { start, stop } = this.#tolerances;
    const [off, way] = [Math.abs(seconds), -Math.sign(seconds)];
    // Each change costs some players a few ms, so one bend it is, from beginning to end, unless the drift grows.
    const share = Math.max(Math.abs(this.#bent), this.#speeds.share(off, Math.max(1, this.#interval / 500)));
    const gains = (share * this.#interval) / 1000;
    const isOver = this.#bent
      ? off <= Math.max(stop, gains / 2) || way !== Math.sign(this.#bent)
      : off <= Math.max(start, this.#clock.uncertainty / 1000);
    // Never so fast that the next look, which may be late, finds it on the other side.
    if (isOver || gains > off + stop || !this.#bends || !this.#speeds.any) {
      this.#unbend();
      return;
    }
    if (!this.#bent) this.#on.correction?.("rate", { drift: seconds, rate: rate * (1 + way * share) });
    this.#bent = way * share;
    this.#setRate(rate * (1 + this.#bent));
    if (!this.#speeds.learn(share, way * (this.#rate / rate - 1), this.#tolerances.rate)) this.#unbend();
  }

  // What the player is told.

  #jump(local, to, rate, off) {
    const from = this.#player.currentTime;
    if (this.#asked === null) {
      const again = local - this.#jumpedAt < 2 * RARELY && this.#coolDown > 0;
      this.#coolDown = again ? Math.min(this.#coolDown * 2, RARELY) : this.#tolerances.coolDown * 1000;
      this.#jumpedAt = local;
      this.#seeks += 1;
      this.#on.correction?.("seek", { drift: off, from, to });
    }
    this.#asked = this.#seen = null;
    this.#unbend();
    this.#forget();
    this.#stood = to;
    this.#progressAt = local;
    this.#doing = { since: local, from: to, rate, seeks: true };
    this.#player.currentTime = to;
  }

  #play(local) {
    const player = this.#player;
    this.#paused = false;
    this.#toldAt = this.#progressAt = local;
    player.play()?.catch?.((error) => {
      // An AbortError says that a pause or another source came in between.
      if (error?.name === "AbortError" || !player.paused || this.#paused) return;
      this.#blocked = this.#paused = true;
      this.#doing = null;
      this.#say("blocked");
      this.#on.blocked?.();
    });
  }

  #pause(local) {
    const { playbackRate } = this.#player;
    const last = this.#reckoned;
    this.#stood = last && last.position + (playbackRate * (local - last.local)) / 1000;
    this.#paused = true;
    this.#toldAt = local;
    this.#doing = null;
    this.#forget();
    this.#player.pause();
  }

  #unbend() {
    this.#bent = 0;
    if (this.#rate !== null) this.#setRate(this.#normal);
  }

  #setNormal(rate) {
    this.#normal = rate;
    this.#speeds = new Speeds(this.#tolerances.rate);
    this.#unbend();
  }

  #setRate(rate) {
    const player = this.#player;
    // What a player made of an order, by rounding, need not be ordered again at each look.
    if (rate === this.#ordered && player.playbackRate === this.#rate) return;
    this.#ordered = rate;
    if (player.playbackRate !== rate) player.playbackRate = rate;
    this.#rate = player.playbackRate;
  }
}

const HEARD = ["play", "pause", "seeking", "seeked", "ratechange", "waiting", "playing", "ended", "loadedmetadata"];

const same = (a, b) => a.position === b.position && a.at === b.at && a.rate === b.rate && a.playing === b.playing;
