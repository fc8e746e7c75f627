# SPDX-License-Identifier: GPL-2.0
# Draws a demo's latencies; called with the directory of windows.csv and marks.csv, a title, and what is
# said of the lines.
set terminal pngcairo size 1400,800 font 'sans,11'
set output ARG1.'/latency.png'
set datafile separator ','
set multiplot layout 2,1 title ARG2
set grid ytics
set lmargin 10
set rmargin 3
set xrange [0:*]

# A line at each mark, of three kinds.
colour(kind) = kind == 0 ? '#9090ff' : kind == 1 ? '#ff9090' : '#b0b0b0'
marks = ARG1.'/marks.csv'
stats marks using 1 nooutput
do for [i = 0:STATS_records - 1] {
	stats marks using 1 every ::i::i nooutput
	at = STATS_min
	stats marks using 2 every ::i::i nooutput
	set arrow from at, graph 0 to at, graph 1 nohead \
		lc rgb colour(STATS_min) lw 2 back
}

set ylabel 'latency in ms (100 ms windows)'
set yrange [0:*]
set key top right horizontal
set label 1 ARG3 at graph 0.01, 0.95 front
plot ARG1.'/windows.csv' using 1:($7 / 1000) skip 1 with impulses lc rgb '#c0c0c0' title 'max', \
	'' using 1:($6 / 1000) skip 1 with lines lc rgb '#e08000' title 'p99', \
	'' using 1:($5 / 1000) skip 1 with lines lc rgb '#008040' title 'p50'

unset label 1
set ylabel 'answers to probes'
set xlabel 'seconds'
set yrange [0:*]
set offsets 0, 0, 1.5, 0
set style fill solid noborder
set boxwidth 0.1 absolute
plot ARG1.'/windows.csv' using 1:($8 + $9) skip 1 with boxes lc rgb '#70b0ff' \
	title 'by the new code', \
	'' using 1:8 skip 1 with boxes lc rgb '#707070' title 'by the old code'
unset multiplot
