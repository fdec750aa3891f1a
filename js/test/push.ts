import { define, type World } from "./world.js"

/** A key as servers have it, by a letter. */
export const vapid = (letter: string) => letter.repeat(86) + "A"

/** The parts of a browser that notifications need. */
export class PushBrowser {
  permission: NotificationPermission = "default"
  /** What the user answers when asked. */
  answer: NotificationPermission = "granted"
  /** Why the push service refuses. */
  refusal: Error | undefined
  readonly registrations = new Map<string, Registration>()
  readonly workers = new EventTarget()
  endpoints = 0

  constructor(world: World, secure = true) {
    const browser = this
    define("isSecureContext", secure)
    define("location", { href: "https://push.example.com/page/", origin: "https://push.example.com", hostname: "push.example.com" })
    define("PushManager", class {})
    define("ServiceWorkerRegistration", Registration)
    define("Notification", {
      get permission() {
        return browser.permission
      },
      requestPermission: async () => (browser.permission = browser.permission === "default" ? browser.answer : browser.permission),
    })
    const container = Object.assign(this.workers, {
      register: async (script: string, { scope }: { scope: string }) => {
        if (script.includes("missing")) throw new TypeError("Failed to register: 404")
        const known = this.registrations.get(scope)
        if (known) return Object.assign(known, { script })
        return this.add(new Registration(this, script, scope))
      },
      getRegistration: async (scope: string) => this.registrations.get(new URL(scope, "https://push.example.com").pathname),
    })
    define("navigator", { locks: world.locks, serviceWorker: container })
  }

  /** Registers a worker. */
  add(registration: Registration): Registration {
    this.registrations.set(registration.scope, registration)
    return registration
  }

  /** The worker that a client has registered. */
  get own(): Registration {
    return this.registrations.get("/wirepost-sw/")!
  }
}

/** A worker, which becomes active some time after it was registered. */
export class Registration {
  active: object | null = null
  installing: EventTarget | null = new EventTarget()
  waiting: EventTarget | null = null
  subscription: Subscription | null = null
  notifications: Shown[] = []

  constructor(
    readonly browser: PushBrowser,
    readonly script: string,
    readonly scope: string,
  ) {
    const { installing } = this
    setImmediate(() => {
      this.installing = null
      this.waiting = installing
      installing!.dispatchEvent(new Event("statechange"))
      setImmediate(() => {
        this.waiting = null
        this.active = {}
        installing!.dispatchEvent(new Event("statechange"))
      })
    })
  }

  readonly pushManager = {
    getSubscription: async () => this.subscription,
    subscribe: async ({ userVisibleOnly, applicationServerKey }: { userVisibleOnly: boolean; applicationServerKey: string }) => {
      if (this.browser.refusal) throw this.browser.refusal
      if (!this.active) throw new DOMException("no active worker", "AbortError")
      if (!userVisibleOnly || this.browser.permission !== "granted") throw new DOMException("no permission", "NotAllowedError")
      if (this.subscription && this.subscription.vapid !== applicationServerKey) throw new DOMException("another key", "InvalidStateError")
      return (this.subscription ??= new Subscription(this, applicationServerKey, `https://push.example.net/${++this.browser.endpoints}`))
    },
  }

  /** Shows a notification. */
  show(channel: string, seq: number): void {
    const data = { wirepost: { channel, seq } }
    const shown = { data, close: () => void (this.notifications = this.notifications.filter((n) => n !== shown)) }
    this.notifications.push(shown)
  }

  async getNotifications(): Promise<Shown[]> {
    return [...this.notifications]
  }

  /** The sequences of the notifications that are shown. */
  get shown(): number[] {
    return this.notifications.map(({ data }) => (data as { wirepost: { seq: number } }).wirepost?.seq)
  }
}

interface Shown {
  readonly data: unknown
  close(): void
}

class Subscription {
  readonly options: { applicationServerKey: ArrayBuffer }
  constructor(
    readonly registration: Registration,
    readonly vapid: string,
    readonly endpoint: string,
  ) {
    const bytes = Buffer.from(vapid, "base64url")
    this.options = { applicationServerKey: new Uint8Array(bytes).buffer }
  }

  async unsubscribe(): Promise<boolean> {
    this.registration.subscription = null
    return true
  }

  toJSON(): object {
    return { endpoint: this.endpoint, expirationTime: null, keys: { p256dh: "p", auth: "a" } }
  }
}
