//! Whole pictures: rendered, read back with the png crate, and compared pixel by pixel.

use std::path::Path;

use super::*;

/// The picture in a PNG file, and its color type and bit depth.
fn read(file: &[u8]) -> (Frame, ::png::ColorType, ::png::BitDepth) {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let (color, depth) = (reader.info().color_type, reader.info().bit_depth);
    let (width, height) = reader.info().size();
    let (width, height) = (width as usize, height as usize);
    let mut data = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut data).unwrap();
    if color == ::png::ColorType::Indexed {
        let palette = reader.info().palette.as_ref().unwrap();
        let bits = depth as usize;
        let line = (width * bits).div_ceil(8);
        data = (0..width * height)
            .flat_map(|at| {
                let bit = at % width * bits;
                let byte = data[at / width * line + bit / 8];
                let place = byte as usize >> (8 - bits - bit % 8) & ((1 << bits) - 1);
                palette[place * 3..][..3].to_vec()
            })
            .collect();
    }
    (Frame::from_rgb(width, height, &data), color, depth)
}

/// `width` x `height` pixels of `colors` different colors, in no simple order.
fn patchwork(width: usize, height: usize, colors: usize) -> Frame {
    let pixels = (0..width * height)
        .map(|at| {
            let color = if at < colors { at } else { at * at / 3 % colors };
            [color as u8, (color / 256) as u8, (color * 11 % 256) as u8]
        })
        .collect();
    Frame { width, height, pixels }
}

/// `frame` with each pixel as a square of `scale` by `scale`.
fn enlarged(frame: &Frame, scale: usize) -> Frame {
    let pixels = (0..frame.height * scale)
        .flat_map(|y| (0..frame.width * scale).map(move |x| (x / scale, y / scale)))
        .map(|(x, y)| frame.pixels[y * frame.width + x])
        .collect();
    Frame { width: frame.width * scale, height: frame.height * scale, pixels }
}

/// What the boost makes of `frame`, by way of its own levels.
fn boosted(frame: &Frame) -> Frame {
    let curve = enhance::curve([frame.rgb()]);
    let pixels = frame.pixels.iter().map(|pixel| pixel.map(|level| curve[level as usize])).collect();
    Frame { pixels, ..*frame }
}

/// Noise that no compression makes smaller: a linear congruential sequence of bytes.
fn noise(width: usize, height: usize) -> Frame {
    let mut state = 2_u32;
    let mut level = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let pixels = (0..width * height).map(|_| [level(), level(), level()]).collect();
    Frame { width, height, pixels }
}

fn raw() -> Options {
    Options { raw: true, ..Options::default() }
}

#[test]
fn every_depth_and_odd_width_holds_the_picture_and_nothing_else() {
    use ::png::{BitDepth, ColorType};
    for (colors, color, depth) in [
        (1, ColorType::Indexed, BitDepth::One),
        (2, ColorType::Indexed, BitDepth::One),
        (3, ColorType::Indexed, BitDepth::Two),
        (4, ColorType::Indexed, BitDepth::Two),
        (5, ColorType::Indexed, BitDepth::Four),
        (16, ColorType::Indexed, BitDepth::Four),
        (17, ColorType::Indexed, BitDepth::Eight),
        (256, ColorType::Indexed, BitDepth::Eight),
        (257, ColorType::Rgb, BitDepth::Eight),
    ] {
        for width in [33, 40, 47] {
            let frame = patchwork(width, 9, colors);
            let own = render(&frame, &raw()).unwrap();
            assert_eq!(read(&own.png), (frame.clone(), color, depth), "{colors} colors, {width} px wide, raw");
            assert_eq!((own.width, own.height, own.scale), (width, 9, Scale::Up(1)));

            let picture = render(&frame, &Options::default()).unwrap();
            let expected = enlarged(&boosted(&frame), 2);
            assert_eq!(read(&picture.png), (expected, color, depth), "{colors} colors, {width} px wide");
            assert_eq!((picture.width, picture.height, picture.scale), (width * 2, 18, Scale::Up(2)));
            assert_eq!(picture.notes, [""; 0]);
        }
    }
}

#[test]
fn one_pixel_is_a_picture_and_none_is_not() {
    let pixel = Frame { width: 1, height: 1, pixels: vec![[1, 2, 3]] };
    assert_eq!(read(&render(&pixel, &raw()).unwrap().png).0, pixel);
    for (width, height) in [(0, 0), (0, 5), (5, 0)] {
        assert_eq!(render(&Frame::black(width, height), &Options::default()), None);
        assert_eq!(render(&Frame::black(width, height), &raw()), None);
    }
}

#[test]
fn a_screen_is_enlarged_as_long_as_its_longer_edge_allows() {
    for (width, height, scale) in [(1000, 8, 2), (8, 1000, 2), (1001, 8, 1), (8, 2000, 1)] {
        let picture = render(&Frame::black(width, height), &Options::default()).unwrap();
        assert_eq!(picture.scale, Scale::Up(scale), "{width} x {height}");
        assert_eq!((picture.width, picture.height), (width * scale, height * scale));
    }
}

#[test]
fn a_screen_beyond_the_edge_is_reduced_and_says_so() {
    let picture = render(&Frame::black(2560, 1440), &Options::default()).unwrap();
    assert_eq!((picture.width, picture.height), (2000, 1125));
    assert_eq!(picture.scale.to_string(), "0.78x");
    assert_eq!(picture.notes, ["scaled down to 2000x1125 px to keep within 2000 px along an edge"]);
    assert_eq!(read(&picture.png).0, Frame::black(2000, 1125));

    let thin = render(&Frame::black(4096, 1), &Options::default()).unwrap();
    assert_eq!((thin.width, thin.height), (2000, 1));
}

#[test]
fn noise_is_reduced_until_it_fits_and_says_so() {
    let frame = noise(1920, 1200);
    let picture = render(&frame, &Options::default()).unwrap();
    assert!(picture.png.len() <= 700_000);
    assert!(picture.png.len() > 350_000, "reduced too far, to {} bytes", picture.png.len());
    assert!(matches!(picture.scale, Scale::Down(_)));
    let (width, height) = (picture.width, picture.height);
    assert_eq!(picture.notes, [format!("scaled down to {width}x{height} px to keep within 700 kB")]);
    assert_eq!(width * 1200 / 1920, height);
    let (small, ..) = read(&picture.png);
    assert_eq!((small.width, small.height), (width, height));
}

#[test]
fn a_picture_too_large_when_enlarged_stays_as_it_is_and_says_so() {
    let frame = noise(100, 100);
    let size = render(&frame, &raw()).unwrap().png.len();
    let options = Options { max_bytes: size, ..Options::default() };
    let picture = render(&frame, &options).unwrap();
    assert_eq!(picture.scale, Scale::Up(1));
    assert_eq!(picture.notes, ["enlarged 1x instead of 2x to keep within 31 kB"]);
    assert_eq!(read(&picture.png).0, frame);
}

#[test]
fn however_small_the_limits_there_is_a_picture() {
    for (max_edge, max_bytes) in [(1, 700_000), (2000, 1), (0, 0)] {
        let picture = render(&noise(37, 91), &Options { max_edge, max_bytes, ..Options::default() }).unwrap();
        assert_eq!((picture.width, picture.height), (1, 1));
    }
}

#[test]
fn a_region_is_cut_out_and_enlarged_as_far_as_it_fits() {
    let frame = patchwork(50, 40, 200);
    let region = Region { x: 7, y: 11, width: 13, height: 5 };
    let rows = (11..16).flat_map(|y| frame.pixels[y * 50 + 7..][..13].to_vec());
    let cut = Frame { width: 13, height: 5, pixels: rows.collect() };
    for (max_edge, scale) in [(2000, 8), (104, 8), (103, 7), (13, 1)] {
        let picture = render(&frame, &Options { region: Some(region), max_edge, ..Options::default() }).unwrap();
        assert_eq!(read(&picture.png).0, enlarged(&boosted(&cut), scale));
        assert_eq!((picture.region, picture.scale), (region, Scale::Up(scale)));
    }
    let own = render(&frame, &Options { region: Some(region), ..raw() }).unwrap();
    assert_eq!(read(&own.png).0, cut);
}

#[test]
fn a_region_is_clipped_to_the_screen_and_nothing_lies_beside_it() {
    let frame = patchwork(50, 40, 200);
    let asked = |x, y, width, height| Options { region: Some(Region { x, y, width, height }), ..Options::default() };
    let picture = render(&frame, &asked(48, 39, usize::MAX, 9)).unwrap();
    assert_eq!(picture.region, Region { x: 48, y: 39, width: 2, height: 1 });
    assert_eq!(picture.notes, ["the region was clipped to the screen, 50x40 px"]);
    for beside in [asked(50, 0, 1, 1), asked(0, 40, 1, 1), asked(usize::MAX, 0, 9, 9), asked(0, 0, 0, 9)] {
        assert_eq!(render(&frame, &beside), None);
    }
}

#[test]
fn a_raw_picture_keeps_its_size_and_warns_of_it() {
    let frame = Frame::black(2600, 3);
    let picture = render(&frame, &raw()).unwrap();
    assert_eq!(read(&picture.png).0, frame);
    assert_eq!(picture.notes, ["2600 px along an edge; above 2000 px some clients refuse it"]);

    let frame = noise(500, 500);
    let picture = render(&frame, &raw()).unwrap();
    assert_eq!(read(&picture.png).0, frame);
    assert_eq!(picture.notes, ["752 kB large; above 700 kB some clients refuse it"]);
}

#[test]
fn text_consoles_stay_below_50_kb_and_keep_their_colors_apart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
    let mut screens = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "png") {
            continue;
        }
        screens += 1;
        let (frame, ..) = read(&std::fs::read(&path).unwrap());
        let picture = render(&frame, &Options::default()).unwrap();
        assert!(picture.png.len() < 50_000, "{}: {} bytes", path.display(), picture.png.len());
        let (shown, ..) = read(&picture.png);
        let Scale::Up(scale) = picture.scale else { panic!("{} was reduced", path.display()) };
        assert_eq!(shown, enlarged(&boosted(&frame), scale), "{}", path.display());
        let colors = |frame| palette::index(&View::whole(frame)).unwrap().colors.len();
        assert_eq!(colors(&frame), colors(&shown), "{}", path.display());
    }
    assert_eq!(screens, 14);
}
