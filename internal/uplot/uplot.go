// Package uplot is the plotting library of the pages that Wirepost makes.
//
// It is uPlot (https://github.com/leeoniya/uPlot), MIT: the files are those of
// uplot 1.6.32 in the npm registry, dist/. The script defines the global uPlot.
package uplot

import _ "embed"

var (
	//go:embed uPlot.iife.min.js
	Script string
	//go:embed uPlot.min.css
	Style string
	//go:embed uPlot.LICENSE
	Licence string
)
