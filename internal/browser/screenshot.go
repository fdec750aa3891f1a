package browser

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/chromedp/chromedp"
)

// Screenshot keeps a picture of the whole page, however long, as NAME.png: in
// the directory that the variable SCREENSHOTS names (`make screenshots` sets it),
// with the test's name before it; else among the test's artifacts, which `go test
// -artifacts` keeps. A failed test makes one of each of its tabs by itself.
func Screenshot(t *testing.T, tab context.Context, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, Patience/2)
	defer cancel()
	// What sticks to the top belongs to the top of the picture.
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`scrollTo({ top: 0, behavior: "instant" })`)); err != nil {
		t.Logf("no screenshot %q: %v", name, err)
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Logf("no screenshot %q: %v", name, err)
		return
	}
	file, err := screenshotFile(t, name)
	if err == nil {
		err = os.WriteFile(file, picture, 0o644)
	}
	if err != nil {
		t.Errorf("screenshot %q: %v", name, err)
		return
	}
	t.Logf("screenshot: %s", file)
}

var unfit = regexp.MustCompile(`[^\w.-]+`)

// screenshotFile returns the file of a screenshot.
func screenshotFile(t *testing.T, name string) (string, error) {
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return filepath.Join(t.ArtifactDir(), unfit.ReplaceAllString(name, "-")+".png"), nil
	}
	return filepath.Join(dir, unfit.ReplaceAllString(t.Name()+"-"+name, "-")+".png"), os.MkdirAll(dir, 0o755)
}

// Device sets the tab's size to that of a device's screen, and of a phone if it is
// narrow: scroll bars then take no space.
func Device(t *testing.T, tab context.Context, width, height int64) {
	t.Helper()
	var options []chromedp.EmulateViewportOption
	if width < 600 {
		options = append(options, chromedp.EmulateMobile)
	}
	Run(t, tab, chromedp.EmulateViewport(width, height, options...))
	Wait(t, tab, "new Promise((done) => requestAnimationFrame(() => done(true)))")
}
