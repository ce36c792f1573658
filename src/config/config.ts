/** The settings as frozen values: `config.queue_run_delay` is a number of milliseconds. */
import { ConfigError, type Problem } from "./config-error.ts";
import { ALL, allTransports, fallbackOf, isComputed, meaningOf, unknownName, usedNames } from "./names.ts";
import { PARAMETER_NAMES, type ParameterName, type Values } from "./parameters.ts";
import { listProblems, readClasses } from "./restriction-problems.ts";
import type { Classes } from "./restrictions.ts";
import {
  computed,
  evaluateAll,
  evaluateAs,
  findText,
  LISTENERS,
  problemWith,
  type Listener,
  type Settings,
  type View,
} from "./settings.ts";
import type { Agent, Transport } from "./transports.ts";

/** What a transport may have of its own: <transport>_<suffix> in place of default_<suffix>. */
export type TransportSuffix =
  | "initial_destination_concurrency"
  | (ParameterName extends infer N ? (N extends `default_destination_${infer S}` ? `destination_${S}` : never) : never);

type TransportValue<S extends TransportSuffix> = S extends ParameterName
  ? Values[S]
  : `default_${S}` extends ParameterName
    ? Values[`default_${S}`]
    : never;

export type Config = Readonly<Values & Settled>;

class Settled {
  readonly #settings: Settings;
  readonly #views = new Map<string, Config>();
  readonly #queueValues: ReadonlyMap<string, unknown>;
  readonly #transports: ReadonlyMap<string, Transport>;
  readonly #classes: Classes;

  constructor(settings: Settings, { transports, queueValues, classes }: Named) {
    this.#settings = settings;
    this.#transports = transports;
    this.#queueValues = queueValues;
    this.#classes = classes;
  }

  /** The lists of smtpd_restriction_classes, by their names. */
  get restrictionClasses(): Classes {
    return this.#classes;
  }

  /** What is odd about the settings without being wrong: values that override earlier ones. */
  get warnings(): readonly string[] {
    return this.#settings.warnings;
  }

  /** The settings as sessions of this listener see them: submission_<parameter> holds where it is set. */
  listener(listener: Listener): Config {
    return this.#view(listener, { kind: "listener", listener });
  }

  /** The settings as an agent sees them when it delivers for this transport: <transport>_<x> in place of smtp_<x>. */
  forTransport(name: string): Config {
    const transport = this.#transports.get(name);
    if (transport === undefined) throw new Error(`no such transport: ${name}`);
    return this.#view(`transport ${name}`, { kind: "transport", transport });
  }

  /** <transport>_<suffix> if it is set, else default_<suffix>. */
  transport<S extends TransportSuffix>(name: string, suffix: S): TransportValue<S> {
    const own = this.#queueValues.get(`${name}_${suffix}`) ?? this.#agentDefault(name, suffix);
    const fallback = fallbackOf(suffix);
    if (fallback === undefined) throw new Error(`no such suffix: ${suffix}`);
    return (own ?? (this as unknown as Values)[fallback]) as TransportValue<S>;
  }

  /** A command's exit status speaks of all that it was given. */
  #agentDefault(name: string, suffix: string): number | undefined {
    return suffix === "destination_recipient_limit" && this.agentOf(name) === "pipe" ? 1 : undefined;
  }

  /** All transports on an agent. */
  transportsOn(agent: Agent): string[] {
    return [...this.#transports.values()].filter((transport) => transport.agent === agent).map(({ name }) => name);
  }

  /** Who delivers for a transport; undefined if there is no such transport. */
  agentOf(name: string): Agent | undefined {
    return this.#transports.get(name)?.agent;
  }

  /** Where a name was set ("etc/main.cf, line 3"); undefined if it was not. */
  placeOf(name: string): string | undefined {
    return this.#settings.places.get(name);
  }

  /** What was set, unexpanded, and what the machine decided: enough to build the same again elsewhere. */
  raw(): Record<string, string> {
    const raw: Record<string, string> = {};
    for (const name of PARAMETER_NAMES) if (isComputed(name)) raw[name] = computed(this.#settings, name);
    return { ...raw, ...Object.fromEntries(this.#settings.written) };
  }

  #view(key: string, view: View): Config {
    let config = this.#views.get(key);
    if (config === undefined) {
      const named = { transports: this.#transports, queueValues: this.#queueValues, classes: this.#classes };
      config = settle(this.#settings, evaluateAll(this.#settings, view).values, named);
      this.#views.set(key, config);
    }
    return config;
  }
}

/** What main.cf sets under names that are in no table. */
interface Named {
  readonly transports: ReadonlyMap<string, Transport>;
  readonly queueValues: ReadonlyMap<string, unknown>;
  readonly classes: Classes;
}

function settle(settings: Settings, values: Values, named: Named): Config {
  return Object.freeze(Object.assign(new Settled(settings, named), values));
}

/** Works out all values, of the listeners and transports too. Throws ConfigError with everything that is wrong. */
export function buildConfig(settings: Settings, earlier: readonly Problem[] = []): Config {
  const { values, problems } = evaluateAll(settings, ALL);
  const declared: readonly Transport[] = values.transports ?? [];
  const transports = allTransports(declared);
  const used = usedNames(settings);
  const queueValues = new Map<string, unknown>();
  const viewed = new Set<Transport>(declared);

  for (const key of settings.written.keys()) {
    const meaning = meaningOf(key, transports, used);
    if (meaning.kind === "unknown") problems.push(unknownName(settings, key));
    if (meaning.kind !== "queue" && meaning.kind !== "listener" && meaning.kind !== "transport") continue;
    if (meaning.kind === "transport") viewed.add(meaning.transport);
    try {
      const value = evaluateAs(settings, key, meaning.name);
      if (meaning.kind === "queue") queueValues.set(key, value);
    } catch (error) {
      problems.push(problemWith(settings, key, meaning.name, error));
    }
  }
  for (const name of ["default_transport", "local_transport", "relay_transport"] as const) {
    const wanted: string | undefined = values[name]?.transport;
    if (wanted === undefined || transports.some((transport) => transport.name === wanted)) continue;
    const key = findText(settings, ALL, name)?.key ?? "";
    problems.push({
      place: settings.places.get(key) ?? "",
      text: `parameter ${name}: no such transport: ${wanted} (there are: ${transports.map((each) => each.name).join(", ")})`,
    });
  }
  const { classes, problems: ofClasses } = readClasses(settings, values.smtpd_restriction_classes ?? []);
  problems.push(...ofClasses);
  if (problems.length + earlier.length > 0) throw new ConfigError([...earlier, ...problems]);

  const byName = new Map(transports.map((transport) => [transport.name, transport]));
  const config = settle(settings, values, { transports: byName, queueValues, classes });
  // References between values may go wrong only in a view: better now than in a session.
  const views = LISTENERS.map((listener) => ({ kind: "listener", listener }) as const).map((view) => ({
    view,
    ...evaluateAll(settings, view),
  }));
  problems.push(...views.flatMap((view) => view.problems));
  for (const transport of viewed) problems.push(...evaluateAll(settings, { kind: "transport", transport }).problems);
  if (problems.length === 0) problems.push(...listProblems(settings, [{ view: ALL, values }, ...views], classes));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
