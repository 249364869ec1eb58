//! Pictures: lines on logarithmic axes, as SVG.

use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::peer::{PEERS, Part};
use crate::workshop::Contestant;

/// Where pictures go.
pub(crate) struct Plots(PathBuf);

/// One picture.
pub(crate) struct Picture {
    title: String,
    across: &'static str,
    upwards: &'static str,
    lines: Vec<Line>,
}

/// What one contestant costs.
pub(crate) struct Line {
    name: String,
    is_floor: bool,
    points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (940, 560);
const LEGEND: u32 = 230;

/// Those of Okabe and Ito, which the colour-blind can tell apart; yellow is left out on white.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
const OURS: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(110, 110, 110);

impl Plots {
    pub(crate) fn into(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a place for pictures");
        Self(folder.to_path_buf())
    }

    pub(crate) fn draw(&self, file: &str, picture: &Picture) {
        let path = self.0.join(file).with_extension("svg");
        picture.draw(&path).expect("a place for pictures");
        println!("\n{} is drawn.", path.display());
    }
}

impl Line {
    pub(crate) fn of(contestant: &Contestant, points: Vec<(f64, f64)>) -> Self {
        Self { name: contestant.name.clone(), is_floor: contestant.is_floor(), points }
    }
}

impl Picture {
    pub(crate) fn new(
        title: impl Into<String>,
        across: &'static str,
        upwards: &'static str,
    ) -> Self {
        Self { title: title.into(), across, upwards, lines: Vec::new() }
    }

    pub(crate) fn line(&mut self, line: Line) {
        if !line.points.is_empty() {
            self.lines.push(line);
        }
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, _) = root.split_horizontally(SIZE.0 - LEGEND);
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (across, upwards) =
            (decades(points().map(|point| point.0)), decades(points().map(|point| point.1)));
        let mut chart = ChartBuilder::on(&left)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(across.log_scale(), upwards.log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.upwards)
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 15))
            .x_label_formatter(&|value| label(*value))
            .y_label_formatter(&|value| label(*value))
            .bold_line_style(RGBColor(200, 200, 200))
            .light_line_style(RGBColor(238, 238, 238))
            .draw()?;
        // In the legend the costliest comes first, as the lines lie.
        let mut styled: Vec<(&Line, Style)> = self.lines.iter().zip(self.styles()).collect();
        for (line, style) in &styled {
            let at = line.points.iter().map(|point| chart.backend_coord(point));
            style.draw(&root, &at.collect::<Vec<_>>())?;
        }
        styled.sort_by(|(a, _), (b, _)| b.last().total_cmp(&a.last()));
        let x = i32::try_from(SIZE.0 - LEGEND)? + 14;
        for (row, (line, style)) in (0_i32..).zip(styled) {
            let y = 56 + row * 24;
            style.draw(&root, &[(x, y), (x + 36, y)])?;
            let text = TextStyle::from(("sans-serif", 14).into_font()).color(&BLACK);
            let text = text.pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(line.name.clone(), (x + 44, y), text))?;
        }
        root.present()?;
        Ok(())
    }

    /// Of each line: floors are grey and dashed, onit has a colour of its own, and every other peer
    /// looks the same in all pictures.
    fn styles(&self) -> Vec<Style> {
        let (mut floors, mut ours) = (0, 0);
        let style = |line: &Line| {
            let is_ours = line.name.starts_with("onit");
            let (colour, width, mark) = if line.is_floor {
                floors += 1;
                (GREY, 2, floors - 1)
            } else if is_ours {
                ours += 1;
                (OURS, 3, ours - 1)
            } else {
                let peers = PEERS.iter().filter(|peer| !peer.takes_part_in(Part::Command));
                let others = peers.filter(|peer| !peer.name.starts_with("onit"));
                let place = others.map(|peer| peer.name).position(|name| name == line.name);
                let place = place.unwrap_or(0);
                (COLOURS[place % COLOURS.len()], 2, place / COLOURS.len() + place)
            };
            Style { colour, width, mark: MARKS[mark % MARKS.len()], is_dashed: line.is_floor }
        };
        self.lines.iter().map(style).collect()
    }
}

/// How a line looks.
struct Style {
    colour: RGBColor,
    width: u32,
    mark: Mark,
    is_dashed: bool,
}

/// Lines of one colour are told apart by these.
#[derive(Clone, Copy)]
enum Mark {
    Disc,
    Triangle,
    Cross,
    Ring,
}

const MARKS: [Mark; 4] = [Mark::Disc, Mark::Triangle, Mark::Cross, Mark::Ring];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Style {
    /// A line through the points, with a mark on each.
    fn draw(
        &self,
        area: &Area<'_>,
        points: &[(i32, i32)],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let line = self.colour.stroke_width(self.width);
        if self.is_dashed {
            area.draw(&DashedPathElement::new(points.to_vec(), 7, 4, line))?;
        } else {
            area.draw(&PathElement::new(points.to_vec(), line))?;
        }
        for at in points {
            match self.mark {
                Mark::Disc => area.draw(&Circle::new(*at, 4, self.colour.filled()))?,
                Mark::Ring => area.draw(&Circle::new(*at, 5, line))?,
                Mark::Triangle => area.draw(&TriangleMarker::new(*at, 6, self.colour.filled()))?,
                Mark::Cross => area.draw(&Cross::new(*at, 5, line))?,
            }
        }
        Ok(())
    }
}

impl Line {
    fn last(&self) -> f64 {
        self.points.last().map_or(0.0, |point| point.1)
    }
}

/// The powers of ten, or twice and five times those, between which all values are.
fn decades(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let (least, most) = values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    let steps = || (-9..12).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
    let from = steps().take_while(|step| *step <= least).last().unwrap_or(least);
    let to = steps().find(|step| *step >= most).unwrap_or(most);
    from..to
}

/// Without the noise of floating point.
fn label(value: f64) -> String {
    format!("{}", (value * 1e6).round() / 1e6)
}
