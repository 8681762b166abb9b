-- What the catalogue says of the extension.

-- Every function that a user calls, every aggregate and every type has a comment; support functions need none.
SELECT p.oid::regprocedure AS without_comment
  FROM pg_depend AS d JOIN pg_proc AS p ON p.oid = d.objid
 WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segmentation')
   AND obj_description(p.oid, 'pg_proc') IS NULL
   AND p.proname !~ '^(kmeans_model|kmeans_sketch|pca_model)_(in|out|recv|send|eq|ne|lt|le|gt|ge|cmp|hash|hash_extended|to_jsonb|from_jsonb)$'
   AND p.proname !~ '_(accum|combine|final|serialize|deserialize)$' ORDER BY 1;
SELECT t.oid::regtype AS without_comment FROM pg_type AS t
 WHERE t.typname IN ('kmeans_model', 'kmeans_sketch', 'kmeans_evaluation', 'pca_model') AND obj_description(t.oid, 'pg_type') IS NULL;

-- Citus pushes an aggregate down when its state is a concrete type with a lossless text form, it has a combine function and at
-- least one argument, and all arguments are concrete. (What schema segmentation has of its own reads tables and stays where they are.)
SELECT a.aggfnoid::regprocedure AS aggregate, a.aggtranstype::regtype AS state, a.aggcombinefn <> 0 AS combines, p.proparallel AS parallel,
       p.pronargs > 0 AND NOT EXISTS (SELECT FROM unnest(p.proargtypes) AS t JOIN pg_type ON pg_type.oid = t WHERE typtype = 'p') AS concrete
  FROM pg_aggregate AS a JOIN pg_proc AS p ON p.oid = a.aggfnoid JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
 WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segmentation')
   AND p.pronamespace <> 'segmentation'::regnamespace ORDER BY a.aggfnoid::regprocedure::text COLLATE "C";

-- Volatility: immutable with a model and an array, stable with a name, a row or jsonb. All are parallel safe; in schema segmentation, what
-- reads any view is not.
SELECT p.proname, p.proargtypes[0]::regtype AS model, string_agg(format('%s %s', p.proargtypes[1]::regtype, p.provolatile), ', ' ORDER BY p.provolatile, p.proargtypes[1]::regtype::text) AS volatility,
       bool_and(p.proisstrict) AS strict, bool_and(p.proparallel = 's') AS parallel_safe
  FROM pg_proc AS p WHERE p.proname IN ('kmeans_assign', 'kmeans_distance', 'kmeans_ranked', 'kmeans_score', 'kmeans_explain') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT p.oid::regprocedure AS parallel_unsafe FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
 WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segmentation') AND p.proparallel <> 's'
   AND p.pronamespace <> 'segmentation'::regnamespace;
SELECT extversion, extrelocatable FROM pg_extension WHERE extname = 'segmentation';
SELECT kmeans(ARRAY[1], 1) IS NOT NULL AS library_is_loaded;
SHOW segmentation.threads;
SHOW segmentation.train_memory;
SHOW segmentation.progress_interval;
