package browser

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// Quota limits what an origin may store, in bytes, as a full disk does. Zero is no limit but the
// browser's.
func Quota(t *testing.T, tab context.Context, origin string, bytes float64) {
	t.Helper()
	Run(t, tab, func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		params := storage.OverrideQuotaForOriginParams{Origin: origin}
		if bytes > 0 {
			params.QuotaSize = &bytes
		}
		_, err = cdp.Call(ctx, target, storage.OverrideQuotaForOrigin, params)
		return none, err
	})
}
