//! Two workers and many clients, beside an independent oracle.
use super::*;

/// A thousand clients, two workers, an hour: in every step both ask at the same moment, and afterwards each client has
/// had as many as an oracle gives it that is asked the same number of times.
#[test]
fn two_workers_let_a_thousand_clients_have_what_governor_gives_them() {
    const CLIENTS: usize = 1_000;
    const STEPS: usize = 60;
    let (count, burst) = (5_u32, 12_u32);
    let bucket = Count::Bucket { count: count.into(), per_ns: 1_000_000_000, burst: burst.into() };
    let tiers = vec![(Whom::All, vec![Window::new("rate", bucket)])];
    // With so much room nobody ever gives way to another, whatever the seed.
    let policy = RateLimit::new(vec![Part::Ip], tiers, Family::None, 8 * CLIENTS);
    let clock = FakeRelativeClock::default();
    let quota =
        Oracle::per_second(NonZeroU32::new(count).unwrap()).allow_burst(NonZeroU32::new(burst).unwrap());
    let oracles: Vec<_> =
        (0..CLIENTS).map(|_| RateLimiter::direct_with_clock(quota, clock.clone())).collect();
    // How often each worker asks for each client in each step, and how long the steps are.
    let mut number = numbers(77);
    let asks: Vec<[Vec<u64>; 2]> =
        (0..STEPS).map(|_| [0, 1].map(|_| (0..CLIENTS).map(|_| number(8)).collect())).collect();
    let waits_ms: Vec<u64> = (0..STEPS).map(|_| number(1_500)).collect();

    let admitted: Vec<Vec<AtomicUsize>> =
        (0..STEPS).map(|_| (0..CLIENTS).map(|_| AtomicUsize::new(0)).collect()).collect();
    let together = Barrier::new(2);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (policy, asks, waits_ms, admitted, together) =
                (&policy, &asks, &waits_ms, &admitted, &together);
            scope.spawn(move || {
                let mut scene = Scene::get(&[]);
                scene.now = at(1_000_000);
                for step in 0..STEPS {
                    together.wait();
                    scene.now = at(scene.now.wall_ms + waits_ms[step]);
                    for turn in 0..CLIENTS {
                        // The workers meet at the same clients, coming from both ends.
                        let client = if worker == 0 { turn } else { CLIENTS - 1 - turn };
                        scene.client = Client::direct(
                            std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(client).unwrap()).into(),
                        );
                        for _ in 0..asks[step][worker][client] {
                            scene.pass.clear();
                            if scene.status(policy) == 0 {
                                admitted[step][client].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                }
            });
        }
    });

    // The stated bound: one more for a client, once, whom both workers meet for the first time in the same instant.
    let (mut refused, mut excess) = (0, vec![0; CLIENTS]);
    for step in 0..STEPS {
        clock.advance(Duration::from_millis(waits_ms[step]));
        for client in 0..CLIENTS {
            let asked = asks[step][0][client] + asks[step][1][client];
            let granted = (0..asked).filter(|_| oracles[client].check().is_ok()).count();
            let ours = admitted[step][client].load(Ordering::Relaxed);
            refused += usize::try_from(asked).unwrap() - granted;
            let told = format!("step {step}, client {client}: {ours} {granted}");
            excess[client] += ours.checked_sub(granted).expect(&told);
            assert!(excess[client] <= 1, "{told}");
        }
    }
    let excess: usize = excess.into_iter().sum();
    println!("{refused} refused, {excess} more than the oracle, of {CLIENTS} clients in {STEPS} steps");
    assert!(refused > 50_000 && excess <= CLIENTS / 100 && policy.evicted() == 0, "{refused} {excess}");
}

/// Each worker reads its clock once a turn: one may be in the next window while another is still in the one before.
#[test]
fn workers_on_both_sides_of_a_windows_end_count_in_one() {
    for count in [Count::Fixed { limit: 10, window_s: 1 }, Count::Sliding { limit: 10, window_s: 1 }] {
        let limit = Limit::new(count, 64);
        let passed =
            (0..100).filter(|n| passes(&limit, 7, at(if n % 2 == 0 { 5_000 } else { 4_999 }))).count();
        assert_eq!(passed, 10, "{count:?}");
        assert_eq!(quota(&limit, 7, at(4_999)).remaining, 0, "{count:?}");
        assert!(passes(&limit, 7, at(7_000)), "{count:?}");
    }
}
