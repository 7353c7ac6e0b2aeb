;; Good conduct of each export, one definition in each paragraph, for exports that a guest does not define itself.

(memory $memory 2)

(func $realloc (param $old i32) (param $old-bytes i32) (param $align i32) (param $bytes i32) (result i32)
  (call $allocate (local.get $bytes)))

(func $describe (result i32)
  (i32.const 1536))

(func $special-paths (param $pairs i32) (param $count i32) (result i32)
  (call $nothing))

(func $initialize (result i32)
  (call $nothing))

(func $handle (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $benign))))
  (call $hostile))

(func $hostile (result i32)
  (call $benign))

(func $post (param $answer i32))

;; The guest has no existence check.
(func $check (param $request i32) (result i32)
  (call $nothing))

(func $invalidate (param $key i32) (param $bytes i32))
