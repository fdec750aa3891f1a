package browser

import (
	"context"
	"fmt"
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

// setNotifications sets what the user of the tab's profile allows pages of an origin:
// notifications are "granted", "denied", or, at first, to "prompt" for.
func setNotifications(t *testing.T, tab context.Context, origin, setting string) {
	t.Helper()
	Run(t, tab, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		c := chromedp.FromContext(ctx)
		_, err := cdp.Call(ctx, c.Browser, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: "notifications"}, Setting: cdpbrowser.PermissionSetting(setting),
			Origin: origin, BrowserContextID: c.BrowserContextID,
		})
		return err
	}))
}

// Subscribe replaces the browser's push service, which is on the internet, in the pages that the
// tab loads from now on: PushManager has this subscription, as PushSubscription.toJSON() writes
// it, when a page has subscribed.
func Subscribe(t *testing.T, tab context.Context, subscription []byte) {
	t.Helper()
	Run(t, tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: fmt.Sprintf(pushManager, subscription),
		})
		return err
	}))
}

// pushManager keeps the key with which a page has subscribed, across pages as the browser does.
const pushManager = `(() => {
	const made = () => localStorage.subscribed ? {
		endpoint: subscription.endpoint,
		options: { applicationServerKey: Uint8Array.from(atob(localStorage.subscribed.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer },
		toJSON: () => subscription,
		unsubscribe: async () => delete localStorage.subscribed,
	} : null
	const subscription = %s
	PushManager.prototype.getSubscription = async () => made()
	PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
		if (!userVisibleOnly) throw new DOMException("silent", "NotAllowedError")
		localStorage.subscribed = applicationServerKey
		return made()
	}
})()`

// Push delivers a push message to the service worker with this scope, as if it came from a
// push service. That the browser is subscribed is not needed: without the internet it cannot be.
func Push(t *testing.T, tab context.Context, origin, scope, data string) {
	t.Helper()
	Run(t, tab, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		found := make(chan serviceworker.RegistrationID, 1)
		if err := chromedp.Listen(ctx, func(event any) {
			updated, ok := event.(*serviceworker.EventWorkerRegistrationUpdated)
			if !ok {
				return
			}
			for _, r := range updated.Registrations {
				if r.ScopeURL == origin+scope && !r.IsDeleted {
					select {
					case found <- r.RegistrationID:
					default: // known
					}
				}
			}
		}); err != nil {
			return err
		}
		// This reports the registrations there are.
		if _, err := cdp.Call(ctx, target, serviceworker.Enable, cdp.Empty{}); err != nil {
			return err
		}
		defer cdp.Call(ctx, target, serviceworker.Disable, cdp.Empty{}) //nolint:errcheck // the tab is closed
		select {
		case id := <-found:
			_, err := cdp.Call(ctx, target, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: origin, RegistrationID: id, Data: data})
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
}
