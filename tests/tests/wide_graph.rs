//! The graph of a heap of more than four thousand million objects, of which there is none here: numbers are made as wide as for such
//! a one, on a real heap, and everything must be as it is with narrow ones.

#![cfg(target_os = "linux")]

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use v8mini_analyze::export::heapsnapshot::{self, Alive, Options, Out, Source};
use v8mini_analyze::graph::{DominatorTree, Graph, Nodes, Paths, Width};
use v8mini_analyze::heap::{Classes, PageSelection, Tally};
use v8mini_analyze::image::{self, OpenOptions};
use v8mini_analyze::layout::Layout;
use v8mini_analyze::v8::Objects;
use v8mini_tests::{Tools, Workload};

/// What a snapshot leaves out that retains less.
const AT_LEAST: u64 = 4096;

fn objects_of(release: &str, program: &str) -> Result<Objects> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("node.v8mini");
    let process = Workload::new(program, release)?.spawn()?;
    Tools::get().capture_to(process.pid(), &file)?;
    let (image, _) = image::open(&file, &OpenOptions::default(), &mut |_| ())?.into_image();
    let version = image.metadata.v8_version.context("no version")?;
    let architecture = &image.metadata.process.architecture;
    let layout = Layout::resolve(version, architecture, &image.metadata.constants)?;
    Ok(Objects::new(image, layout))
}

fn graph(objects: &Objects, at_least: Width) -> Graph {
    let all = PageSelection::default();
    let nodes = Nodes::collect(objects, all, at_least);
    assert_eq!(nodes.width(), at_least);
    Graph::of_nodes(objects, all, Arc::new(nodes))
}

/// A heap snapshot of what is alive.
fn exported(objects: &Objects, graph: &Graph, alive: Alive<'_>) -> Result<Vec<u8>> {
    let source = Source {
        objects,
        alive,
        roots: graph.roots(),
        ephemerons: graph.ephemerons(),
    };
    let mut text = Vec::new();
    let out = Out::Stream(&mut text);
    heapsnapshot::write(source, &Options::default(), out, &mut |_| ())?;
    Ok(text)
}

fn same_trees(objects: &Objects, narrow: &DominatorTree, wide: &DominatorTree) -> Result<()> {
    for id in 0..narrow.nodes().len() {
        ensure!(
            narrow.is_alive(id) == wide.is_alive(id),
            "{id} is alive only once"
        );
        ensure!(narrow.dominator(id) == wide.dominator(id), "{id}");
        ensure!(narrow.retained(id) == wide.retained(id), "{id}");
    }
    ensure!(
        narrow.live_bytes() > 1 << 20,
        "the heap is too small to tell"
    );
    ensure!(narrow.live_bytes() == wide.live_bytes());
    let children = (narrow.children(), wide.children());
    for id in narrow.alive().map(Some).chain([None]) {
        ensure!(children.0.of(id).iter().eq(children.1.of(id)), "{id:?}");
    }
    let classes = Classes::new(objects, &Tally::count(objects, PageSelection::default()));
    let by_class = |tree: &DominatorTree| {
        tree.retained_by_group(classes.list().len(), classes.of_nodes(tree.nodes()))
    };
    ensure!(by_class(narrow) == by_class(wide));
    Ok(())
}

fn check(release: &str, program: &str) -> Result<()> {
    let objects = objects_of(release, program)?;
    let (narrow, wide) = (graph(&objects, Width::Narrow), graph(&objects, Width::Wide));
    let nodes = narrow.nodes();
    ensure!(nodes.len() > 10_000 && nodes.len() == wide.nodes().len());
    ensure!(narrow.roots() == wide.roots() && narrow.ephemerons() == wide.ephemerons());
    ensure!(narrow.edge_count() == wide.edge_count());
    ensure!(nodes.addresses_from(0).eq(wide.nodes().addresses_from(0)));
    let paths = [&narrow, &wide].map(|graph| Paths::search(&objects, graph));
    for (id, address) in nodes.addresses_from(0).enumerate() {
        ensure!(
            wide.nodes().id(address) == Some(id),
            "{address} is not {id}"
        );
        ensure!(wide.nodes().address(id) == Some(address), "{id}");
        ensure!(wide.nodes().map(id) == nodes.map(id), "{address}");
        ensure!(wide.nodes().size(id) == nodes.size(id), "{address}");
        ensure!(narrow.targets(id).iter().eq(wide.targets(id)), "{address}");
        ensure!(paths[0].previous(id) == paths[1].previous(id), "{address}");
        ensure!(
            paths[0].root_kind(id) == paths[1].root_kind(id),
            "{address}"
        );
    }
    let (first, second) = (narrow.dominators(), wide.dominators());
    same_trees(&objects, &first, &second)?;
    same_trees(
        &objects,
        &first,
        &graph(&objects, Width::Wide).into_dominators(),
    )?;
    same_trees(
        &objects,
        &graph(&objects, Width::Narrow).into_dominators(),
        &second,
    )?;

    let of_largest = |tree, graph| {
        let alive = Alive::Retaining {
            tree,
            at_least: AT_LEAST,
        };
        exported(&objects, graph, alive)
    };
    let (large, large_wide) = (of_largest(&first, &narrow)?, of_largest(&second, &wide)?);
    ensure!(large == large_wide, "what is exported in part differs");
    let of_all = |width| {
        let graph = graph(&objects, width);
        let reachable = graph.into_reachable();
        exported(&objects, &narrow, Alive::All(&reachable))
    };
    let (all, all_wide) = (of_all(Width::Narrow)?, of_all(Width::Wide)?);
    ensure!(all == all_wide, "what is exported differs");
    ensure!(large.len() < all.len(), "nothing was left out");
    Ok(())
}

#[test]
fn whatever_is_asked_of_wide_numbers_the_answer_is_the_same() -> Result<()> {
    check("22", "population.js")
}
