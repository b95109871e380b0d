//! Runs the emulator by hand: `cargo run -p tincture-emulator --example emulator -- [port [speed]]`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next().map_or(Ok(31_950), |port| port.parse())?;
    let speed = args.next().map_or(Ok(f64::INFINITY), |speed| speed.parse())?;
    let emulator = emulator::start(emulator::Config {
        listen: ([127, 0, 0, 1], port).into(),
        sensor_listen: ([127, 0, 0, 1], if port == 0 { 0 } else { port + 1 }).into(),
        speed,
        ..emulator::Config::default()
    })
    .await?;
    println!("robot {} sensor {}", emulator.robot_addr(), emulator.sensor_addr());
    tokio::signal::ctrl_c().await?;
    emulator.shutdown().await;
    Ok(())
}
