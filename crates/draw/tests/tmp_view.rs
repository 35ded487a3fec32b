use wrs_draw::*;
#[test]
fn view() {
    let b = |a: [f32; 4], l: &str, c: usize| LabelledBox { bbox_xyxy: a, label: l.into(), class: c };
    let mut p = image::open("/work/shared/data/coco_tiny/val2017/000000005001.jpg").unwrap().to_rgb8();
    let (w, h) = (p.width() as f32, p.height() as f32);
    let t = std::time::Instant::now();
    draw_boxes(
        &mut p,
        &[
            b([20., 30., 200., 300.], "person 0.97", 0),
            b([20., 30., 180., 280.], "person 0.41", 0),
            b([150., 90., 300., 250.], "motorcycle 0.88", 3),
            b([-40., 200., 90., h + 50.], "hair drier 0.75", 78),
            b([w - 60., 0., w + 3., 80.], "parking meter 0.66", 12),
            b([300., 300., 420., 400.], "café crème… 0.5", 4),
            b([400., 100., 430., 130.], "cup 0.31", 41),
            b([410., 110., 445., 150.], "bowl 0.30", 45),
        ],
    )
    .unwrap();
    println!("{:?}", t.elapsed());
    let mut q = image::RgbImage::from_pixel(640, 480, image::Rgb([120, 130, 120]));
    let v: Vec<_> = (0..40)
        .map(|i| {
            let x = (i % 5) as f32 * 125. + 8.;
            let y = (i / 5) as f32 * 58. + 20.;
            b([x, y, x + 110., y + 36.], &format!("class {i}"), i)
        })
        .collect();
    draw_boxes(&mut q, &v).unwrap();
    let mut s = image::RgbImage::from_pixel(96, 96, image::Rgb([200, 130, 120]));
    draw_boxes(&mut s, &[b([10., 10., 50., 60.], "circle 0.93", 0), b([30., 50., 90., 95.], "square 0.71", 1)])
        .unwrap();
    let mut one = image::RgbImage::new(1, 1);
    draw_boxes(&mut one, &[b([0., 0., 1., 1.], "x", 0)]).unwrap();
    grid(&[p, q, s, one], 2).save("/tmp/draw_view.png").unwrap();
}
