// A Vega-Lite specification and its data (JSON of rows, on standard input) to an SVG on standard output.
const fs = require('fs');
const vega = require('vega');
const vegaLite = require('vega-lite');

const spec = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
spec.data = { values: JSON.parse(fs.readFileSync(0, 'utf8')) };
spec.background = 'white';
new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' }).toSVG().then((svg) => process.stdout.write(svg + '\n'));
