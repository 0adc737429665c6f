//! The tables, as `weir_wire::table` describes them.
use aya_ebpf::{
    btf_maps::{Array, ArrayOfMaps, HashMap, PerCpuArray, ProgramArray, RingBuf},
    helpers::{bpf_jiffies64, bpf_ktime_get_coarse_ns},
    macros::btf_map,
    programs::XdpContext,
};
use weir_wire::{
    Address, Ban, Event, Flow, Rules,
    ban::Filter,
    counter::Counts,
    limit::{CLASSES, Cell, Class},
    list::{Front, Line, Lines},
    port::{PORT_RULES, PortState},
    table,
};

/// `BPF_F_MMAPABLE`: values begin on a page, so lines are cache lines.
const PAGED: usize = 1 << 10;
/// `BPF_F_INNER_MAP`: maps of other lengths may take this one's place.
const ANY_LENGTH: usize = 1 << 12;

#[btf_map]
static RULES: ArrayOfMaps<Array<Rules, 1>, 1> = ArrayOfMaps::new();
#[btf_map]
static LISTS: ArrayOfMaps<Array<Front, 1>, 1> = ArrayOfMaps::new();
#[btf_map]
static LINES: ArrayOfMaps<Array<Line, 1, { PAGED | ANY_LENGTH }>, 2> = ArrayOfMaps::new();
#[btf_map]
static BANS: HashMap<u64, Ban, { table::BANS_MAX as usize }> = HashMap::new();
#[btf_map]
static BAN_FILTER: Array<Filter, 1> = Array::new();
#[btf_map]
static SOURCES: Array<Cell, { CLASSES << table::SOURCE_BITS }, PAGED> = Array::new();
#[btf_map]
static PREFIXES: Array<Cell, { CLASSES << table::PREFIX_BITS }, PAGED> = Array::new();
#[btf_map]
static PORT_STATES: Array<PortState, PORT_RULES, PAGED> = Array::new();
#[btf_map]
static COUNTS: PerCpuArray<Counts, 1> = PerCpuArray::new();
#[btf_map]
static EVENTS: RingBuf<Event, { table::EVENTS_BYTES as usize }> = RingBuf::new();
#[btf_map]
static TAILS: ProgramArray<1> = ProgramArray::new();
#[btf_map]
static SCRATCH: PerCpuArray<Scratch, 1> = PerCpuArray::new();
#[btf_map]
static TRACE: Array<table::Trace, 1> = Array::new();

/// The pad of a CPU. Nothing interrupts a program on the CPU it runs on by another of the same kind.
///
/// The flow lives here and not on the stack: there the compiler would keep its fields in registers, of which there are
/// too few, and clear it by a loop over single bytes. So the second program finds it, too, without parsing again.
#[repr(C)]
pub struct Scratch {
    /// The packet being judged.
    pub flow: Flow,
    /// The kernel's tick at which the clock was read last.
    pub tick: u64,
    /// What the clock said then.
    pub now_ns: u64,
    /// When the present budget of events began.
    pub window_ns: u64,
    /// Events reported out of it.
    pub reported: u64,
    /// A copied TCP header, and room behind it.
    pub segment: [u8; 72],
    /// SYNs not yet weighed, by rule.
    pub syns: [u64; PORT_RULES],
    /// Listeners that made a cookie a moment ago.
    pub listeners: [Listener; LISTENERS],
}

/// A listener that need not be looked up for every cookie.
#[repr(C)]
pub struct Listener {
    /// Where it listens.
    pub destination: Address,
    /// On which port.
    pub port: u64,
    /// Until when it is taken to be as it was.
    pub until_ns: u64,
}

/// How many listeners each CPU remembers; a power of two.
pub const LISTENERS: usize = 8;

const _: () = assert!(size_of::<Scratch>() <= table::SCRATCH_MAX_BYTES);

/// The rules in force.
#[inline(always)]
pub fn rules() -> Option<&'static Rules> {
    RULES.get_value(0, &0)
}

/// The lists in force.
#[inline(always)]
pub fn front() -> Option<&'static Front> {
    LISTS.get_value(0, &0)
}

/// The lines that belong to a front.
#[derive(Clone, Copy)]
pub struct Deep(pub u32);

impl Lines for Deep {
    #[inline(always)]
    fn line(&self, index: u32) -> Option<&Line> {
        LINES.get(self.0)?.get(index)
    }
}

/// The filter before the bans.
#[inline(always)]
pub fn ban_filter() -> Option<&'static Filter> {
    BAN_FILTER.get(0)
}

/// The ban of a source.
#[inline(always)]
pub fn ban(key: u64) -> Option<*mut Ban> {
    BANS.get_ptr_mut(key)
}

/// What is known of a source in a class, shared with the few that hash alike.
#[inline(always)]
pub fn source(class: Class, number: u32) -> Option<*mut Cell> {
    SOURCES.get_ptr_mut(((class as u32) << table::SOURCE_BITS) | number)
}

/// What is known of a prefix in a class, shared with the few that hash alike.
#[inline(always)]
pub fn prefix(class: Class, number: u32) -> Option<*mut Cell> {
    PREFIXES.get_ptr_mut(((class as u32) << table::PREFIX_BITS) | number)
}

/// The state of a port rule.
#[inline(always)]
pub fn port_state(rule: u8) -> Option<*mut PortState> {
    PORT_STATES.get_ptr_mut(u32::from(rule))
}

/// The counters of this CPU, all in one value: whoever counts twice looks them up once.
#[inline(always)]
pub fn counts() -> Option<&'static mut Counts> {
    // SAFETY: the counters belong to this CPU, and nothing interrupts a program of the same kind on it; each function that
    // counts lets go of them before another begins.
    COUNTS.get_ptr_mut(0).map(|counts| unsafe { &mut *counts })
}

/// This CPU's scratch pad, looked up once for each packet and program.
#[derive(Clone, Copy)]
pub struct Pad(*mut Scratch);

impl Pad {
    #[inline(always)]
    pub fn find() -> Option<Pad> {
        SCRATCH.get_ptr_mut(0).map(Pad)
    }

    /// Where it is. Whoever writes there writes to parts that nobody else holds on to.
    #[inline(always)]
    pub fn start(self) -> *mut Scratch {
        self.0
    }

    /// The flow of the packet being judged, as the last program left it.
    #[inline(always)]
    pub fn flow(self) -> &'static mut Flow {
        // SAFETY: the pad belongs to this CPU; each program takes its flow once, and other parts of the pad elsewhere.
        unsafe { &mut (*self.0).flow }
    }

    /// The flow, cleared for a new packet.
    #[inline(always)]
    pub fn new_flow(self) -> &'static mut Flow {
        const WORDS: usize = size_of::<Flow>() / 8;
        let flow = self.flow();
        let words = core::ptr::from_mut(flow).cast::<u64>();
        for at in 0..WORDS {
            // SAFETY: a flow is plain numbers without padding and aligned to words. Volatile, lest the stores be merged
            // into a call that clears byte by byte.
            unsafe { words.add(at).write_volatile(0) };
        }
        flow
    }

    /// The monotonic clock at one of the kernel's last two ticks. Between ticks it does not change, so that it is only
    /// asked when there has been one: the number of ticks is a load, the clock a call. It may lag behind that number
    /// for a moment; then it is asked again.
    #[inline(always)]
    pub fn now_ns(self) -> u64 {
        // SAFETY: the pad belongs to this CPU, and these words are used here only.
        let (tick, now_ns) = unsafe { (&mut (*self.0).tick, &mut (*self.0).now_ns) };
        // SAFETY: the helper has no preconditions.
        let present = unsafe { bpf_jiffies64() };
        if *tick != present {
            // SAFETY: as above.
            let read_ns = unsafe { bpf_ktime_get_coarse_ns() };
            if read_ns != *now_ns {
                *tick = present;
                *now_ns = read_ns;
            }
        }
        *now_ns
    }
}

/// Reports an event; false if the ring is full.
#[inline(always)]
pub fn send(event: Event) -> bool {
    match EVENTS.reserve(0) {
        Some(mut entry) => {
            entry.write(event);
            entry.submit(0);
            true
        }
        None => false,
    }
}

/// Where the parser's result is written down.
#[inline(always)]
pub fn trace() -> Option<&'static mut table::Trace> {
    // SAFETY: only the program that parses for comparison takes it, and tests run that one at a time.
    TRACE.get_ptr_mut(0).map(|trace| unsafe { &mut *trace })
}

/// Goes over to the cookie program; returns only if there is none.
#[inline(always)]
pub fn call_cookie(ctx: &XdpContext) {
    // SAFETY: the context is the one this program was called with, and no value here needs dropping.
    unsafe { TAILS.tail_call(ctx, table::TAIL_COOKIE) };
}
